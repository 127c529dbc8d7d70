using System.Collections;
using System.CommandLine;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;

namespace Portcullis.Host.Commands;

/// <summary><c>demo</c>: the example policies, enforced on an example cluster of network namespaces, tried with real connections.</summary>
internal static class DemoCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var datapath = new Option<string?>("--datapath") { Description = "the datapath to show; by default that of datapath.plugin" };
        datapath.AcceptOnlyFromAmong("auto", "ebpf", "iptables");
        var keep = new Option<bool>("--keep") { Description = "leave the last cluster and its agent running" };
        var format = Output.CreateOption();
        var command = new Command("demo", "Enforces the example policies on an example cluster on this machine and checks them with real connections.")
        {
            datapath,
            keep,
            format,
        };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var options = CommandLine.GetOptions(parsed, environment, useDefaultFile: false);
            var output = parsed.InvocationConfiguration.Output;
            var isJson = parsed.GetValue(format) == OutputFormat.Json;
            var printer = isJson ? null : new DemoPrinter(output, useColours: !Console.IsOutputRedirected);
            try
            {
                var report = await new DemoRun(parsed.GetValue(datapath) ?? options.Datapath.Plugin, options.Plugins.Path, parsed.GetValue(keep), printer).RunAsync(cancellationToken);
                if (isJson)
                {
                    await Output.WriteJsonAsync(output, report, DemoJson.Default.DemoReport);
                }

                return report.Agree ? ExitCode.Done : ExitCode.No;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                throw new CommandException(ExitCode.Failure, "the demo was interrupted");
            }
            catch (Exception exception) when (exception is IpCommandException or IOException)
            {
                throw new CommandException(ExitCode.Failure, exception.Message);
            }
        });
        return command;
    }
}
