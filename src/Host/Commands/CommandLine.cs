using System.Collections;
using System.CommandLine;
using Portcullis.Host.Configuration;

namespace Portcullis.Host.Commands;

/// <summary>The command line as a whole.</summary>
internal static class CommandLine
{
    private static readonly Option<string?> ConfigOption = new("--config")
    {
        Description = $"Configuration file (default: {AgentConfiguration.DefaultFile}, if there is one)",
        HelpName = "FILE",
        Recursive = true,
    };

    private static readonly Option<string[]> SetOption = new("--set")
    {
        Description = "Sets one configuration key, for example --set source.file.paths=/etc/policies; may be repeated",
        HelpName = "key=value",
        Recursive = true,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        DefaultValueFactory = _ => [],
    };

    /// <summary>Parses and runs a command line.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> InvokeAsync(string[] args, TextWriter output, TextWriter error, IDictionary environment)
    {
        // Without response files: "@" is a legal first character of a path.
        var parsed = CreateRoot(environment).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
        {
            foreach (var problem in parsed.Errors)
            {
                await error.WriteLineAsync($"portcullis: {problem.Message.ReplaceLineEndings(" ")}");
            }

            await error.WriteLineAsync("portcullis: see 'portcullis --help'");
            return ExitCode.Usage;
        }

        var configuration = new InvocationConfiguration
        {
            Output = output,
            Error = error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = TimeSpan.FromSeconds(30),
        };
        try
        {
            return await parsed.InvokeAsync(configuration, CancellationToken.None);
        }
        catch (CommandException exception)
        {
            foreach (var line in exception.Lines)
            {
                await error.WriteLineAsync($"portcullis: {line.ReplaceLineEndings(" ")}");
            }

            return exception.Code;
        }
        catch (OperationCanceledException)
        {
            await error.WriteLineAsync("portcullis: interrupted");
            return ExitCode.Failure;
        }
        catch (Exception exception)
        {
            // A defect: whoever reports it needs the whole of it, and scripts the exit code.
            await error.WriteLineAsync($"portcullis: unexpected failure, please report it: {exception}");
            return ExitCode.Failure;
        }
    }

    /// <summary>Reads the configuration that a command line and the environment give.</summary>
    public static AgentConfiguration Configure(ParseResult parsed, IDictionary environment, bool useDefaultFile = true) => AgentConfiguration.Load(
        new ConfigurationArguments(parsed.GetValue(ConfigOption), parsed.GetValue(SetOption) ?? [], useDefaultFile), environment);

    /// <summary>Reads the options of a configuration for a command that loads no plugins.</summary>
    /// <exception cref="CommandException">Something is wrong with them; every error is listed.</exception>
    public static AgentOptions GetOptions(ParseResult parsed, IDictionary environment, bool useDefaultFile = true)
    {
        var configuration = Configure(parsed, environment, useDefaultFile);
        var errors = configuration.Errors(pluginSections: null);
        return errors.Count == 0 ? configuration.Options : throw new CommandException(ExitCode.Usage, errors);
    }

    private static RootCommand CreateRoot(IDictionary environment)
    {
        var root = new RootCommand("Portcullis enforces Kubernetes NetworkPolicy on this machine.");
        root.Options.Add(ConfigOption);
        root.Options.Add(SetOption);
        root.Subcommands.Add(RunCommand.Create(environment));
        root.Subcommands.Add(CheckCommand.Create(environment));
        root.Subcommands.Add(MatrixCommand.Create(environment));
        root.Subcommands.Add(ExplainCommand.Create(environment));
        root.Subcommands.Add(StatusCommand.Create(environment));
        root.Subcommands.Add(WaitCommand.Create(environment));
        root.Subcommands.Add(EndpointsCommand.Create(environment));
        root.Subcommands.Add(PoliciesCommand.Create(environment));
        root.Subcommands.Add(FlowsCommand.Create(environment));
        root.Subcommands.Add(DatapathCommand.Create(environment));
        root.Subcommands.Add(PluginsCommand.Create(environment));
        root.Subcommands.Add(CleanupCommand.Create(environment));
        root.Subcommands.Add(DemoCommand.Create(environment));
        return root;
    }
}
