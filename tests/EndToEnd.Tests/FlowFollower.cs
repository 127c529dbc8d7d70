using System.Diagnostics;
using System.Text.Json;
using System.Threading.Channels;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>Runs <c>portcullis flows --follow --denied</c>.</summary>
internal sealed class FlowFollower : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();

    private FlowFollower(Process process)
    {
        _process = process;
        _ = ReadAsync();
    }

    /// <summary>Starts following a machine's agent.</summary>
    public static FlowFollower Start(Machine machine)
    {
        var start = new ProcessStartInfo(Executable.Path, ["flows", "--follow", "--denied", "-o", "json", "--config", machine.Folder.Configuration])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        return new FlowFollower(Process.Start(start)!);
    }

    /// <summary>Does something until a denial of it is reported, and returns the name of its policy.</summary>
    public async Task<string> NextDenialAsync(Func<Task> action)
    {
        while (_lines.Reader.TryRead(out _))
        {
            // From before.
        }

        using var limit = new CancellationTokenSource(Patience);
        var next = _lines.Reader.ReadAsync(limit.Token).AsTask();
        while (!next.IsCompleted)
        {
            await action();
        }

        using var flow = JsonDocument.Parse(await next);
        Assert.Equal("deny", flow.RootElement.GetProperty("verdict").GetString());
        var policy = flow.RootElement.GetProperty("policy");
        return $"{policy.GetProperty("namespace").GetString()}/{policy.GetProperty("name").GetString()}";
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            _lines.Writer.TryWrite(line);
        }

        _lines.Writer.TryComplete();
    }
}
