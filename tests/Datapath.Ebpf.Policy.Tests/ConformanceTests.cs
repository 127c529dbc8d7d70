using Microsoft.Extensions.Logging.Abstractions;
using Portcullis.Datapath.Conformance;
using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Datapaths;
using Portcullis.TestSupport;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>The suite of all datapaths.</summary>
public sealed class ConformanceTests : DatapathConformanceTests
{
    internal override IReadOnlyList<NamedDifference> Differences => [];

    internal override string? OpenAtFirst =>
        Environment.OSVersion.Version < new Version(6, 4) ? "no eBPF programs at netfilter's hooks on this kernel (since 6.4)" : null;

    internal override PolicedNode CreateNode(EstablishedConnections established = EstablishedConnections.Enforce) => new Node(established);

    internal override void Sabotage(PolicedNode node)
    {
        var index = node.Endpoint(node.B).Link!.Value.Index;
        node.Network.Node.Run(() =>
        {
            using var link = BpfPin.TryOpen(new EbpfPaths(node.Settings.Instance).Link(index, TcHook.Egress), BpfPinKind.Link);
            if (link is not null)
            {
                TcxLinks.Detach(link);
            }
        });
        if (node.Network.Node.Run(() => TcFilters.List(index, TcHook.Egress)).Count > 0)
        {
            node.Run("tc", "filter", "del", "dev", node.B.HostInterface, "egress");
        }
    }

    internal override string KernelState(PolicedNode node)
    {
        var pins = new EbpfPaths(node.Settings.Instance).Folder;
        return Directory.Exists(pins) ? pins : string.Empty;
    }

    private sealed class Node(EstablishedConnections established) : PolicedNode(
        SettingsOf(established),
        settings => new EbpfDatapath(settings, NullLogger<EbpfDatapath>.Instance, TimeProvider.System))
    {
        private static int _count;

        protected override async ValueTask EndUseAsync()
        {
            await CleanupAsync();
            await RemoveAsync();
        }

        private static DatapathSettings SettingsOf(EstablishedConnections established)
        {
            Root.RequireBpf();
            return new DatapathSettings($"pcc{Environment.ProcessId}-{Interlocked.Increment(ref _count)}", established, AllowSpoofing: false);
        }
    }
}
