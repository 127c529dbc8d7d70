using System.Collections;
using System.CommandLine;

namespace Portcullis.Host.Commands;

/// <summary><c>run</c>: the agent, in the foreground.</summary>
internal static class RunCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(IDictionary environment)
    {
        var command = new Command("run", "Runs the agent in the foreground. SIGTERM stops it and leaves enforcement in place.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            // Signals are handled from the first await on; until then SIGTERM would end a start with a failure.
            await Task.Yield();
            try
            {
                await Agent.RunAsync(CommandLine.Configure(parsed, environment), cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // Stopped before it enforced anything: it was asked to end and did.
            }

            return ExitCode.Done;
        });
        return command;
    }
}
