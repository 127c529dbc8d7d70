using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Portcullis.Datapath.Conformance;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.TestSupport;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>A node that the iptables datapath polices.</summary>
internal sealed class Node : PolicedNode
{
    public const string Instance = "ipt-test";

    private readonly Backend _backend;
    private readonly Warnings _log;

    public Node(string backend, EstablishedConnections established = EstablishedConnections.Enforce, TimeProvider? time = null)
        : this(BackendOf(backend), new DatapathSettings(Instance, established, AllowSpoofing: false), new FakeTimeProvider(), time, new Warnings())
    {
    }

    private Node(Backend backend, DatapathSettings settings, FakeTimeProvider fake, TimeProvider? time, Warnings log)
        : base(settings, other => new IptablesDatapath(other, time ?? fake, log, backend))
    {
        _backend = backend;
        _log = log;
        Time = fake;
    }

    public FakeTimeProvider Time { get; }

    public new IptablesDatapath Datapath => (IptablesDatapath)base.Datapath;

    /// <summary>The rules and chains of a family as the backend lists them, without counters.</summary>
    public string Saved(IpFamily family) => string.Join('\n', Run(family == IpFamily.IPv4 ? $"iptables-{_backend.Name}-save" : $"ip6tables-{_backend.Name}-save")
        .Split('\n')
        .Where(line => !line.StartsWith('#'))
        .Select(line => line.StartsWith(':') ? line[..line.IndexOf('[', StringComparison.Ordinal)] : line));

    /// <summary>Waits until the datapath has logged a warning.</summary>
    public Task UntilWarnedAsync(string text) =>
        UntilAsync(() => _log.Texts.Any(warning => warning.Contains(text, StringComparison.Ordinal)), $"a warning of {text}");

    private static Backend BackendOf(string name)
    {
        Root.Require("ip", "ipset", $"iptables-{name}-restore", $"ip6tables-{name}-restore");
        return name == "nft" ? Backend.Nft : Backend.Legacy;
    }

    private sealed class Warnings : ILogger<IptablesDatapath>
    {
        public ConcurrentQueue<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Texts.Enqueue(formatter(state, exception));
    }
}
