using System.Diagnostics;
using Portcullis.Datapath.Conformance;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Host.Demo;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Conformance.PolicedNode;
using static Portcullis.Datapath.Iptables.Tests.Node;

namespace Portcullis.Datapath.Iptables.Tests;

/// <summary>Restart, drift, cleanup and neighbours in the same tables. They need root.</summary>
public sealed class LifecycleTests
{
    private const string Foreign = """
        *mangle
        :FOREIGN - [0:0]
        -A FOREIGN -s 192.0.2.0/24 -m comment --comment "not ours: pcl.x.y -j pcl.ipt-test.in" -j RETURN
        -A FORWARD -j FOREIGN
        -A PREROUTING -d 192.0.2.1/32 -j MARK --set-xmark 0x1/0x1
        COMMIT
        *raw
        -A PREROUTING -s 192.0.2.0/24 -j RETURN
        COMMIT
        *security
        -A FORWARD -s 192.0.2.0/24 -j RETURN
        COMMIT

        """;

    private static readonly string ForeignV6 = Foreign
        .Replace("192.0.2.0/24", "2001:db8::/64", StringComparison.Ordinal)
        .Replace("192.0.2.1/32", "2001:db8::1/128", StringComparison.Ordinal);

    public static TheoryData<string> Backends => ["nft", "legacy"];

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Cleanup_AmongForeignRules_LeavesThemByteForByte(string backend)
    {
        await using var node = new Node(backend);
        node.RunWithInput($"iptables-{backend}-restore", Foreign, "--noflush");
        node.RunWithInput($"ip6tables-{backend}-restore", ForeignV6, "--noflush");
        node.RunWithInput("ipset", "create foreign hash:net\nadd foreign 10.0.0.0/8\n", "restore");
        var before = (node.Saved(IpFamily.IPv4), node.Saved(IpFamily.IPv6), node.Run("ipset", "save"));
        await ApplyIsolationAsync(node);
        Assert.Contains("pcl.ipt-test.", node.Saved(IpFamily.IPv6), StringComparison.Ordinal);

        var removed = await node.Datapath.CleanupAsync(allInstances: false, TestContext.Current.CancellationToken);

        Assert.NotEmpty(removed);
        Assert.Equal(before, (node.Saved(IpFamily.IPv4), node.Saved(IpFamily.IPv6), node.Run("ipset", "save")));
        Assert.Empty(await node.Datapath.CleanupAsync(allInstances: false, TestContext.Current.CancellationToken));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Cleanup_OfOneInstance_LeavesTheOtherEnforcing_AndAllRemovesBoth(string backend)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        await using var other = node.OpenAnother(new DatapathSettings("ipt-test-2", EstablishedConnections.Enforce, AllowSpoofing: false));
        await other.ApplyAsync(
            new ChangeSet { Revision = 1, Replace = true, Endpoints = [node.Endpoint(node.A)] }, TestContext.Current.CancellationToken);

        await other.CleanupAsync(allInstances: false, TestContext.Current.CancellationToken);

        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        await other.CleanupAsync(allInstances: true, TestContext.Current.CancellationToken);
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.DoesNotContain("pcl.", node.Saved(IpFamily.IPv4) + node.Saved(IpFamily.IPv6) + node.Run("ipset", "list", "-n"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Restart_AfterAKillBetweenSetsAndChains_TakesOverAndLeavesNothingOld(string backend)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        var instance = $"pcl.{Instance}.";
        node.RunWithInput("ipset", $"create {instance}p-zz.4 hash:net\nadd {instance}p-zz.4 10.0.0.0/8\n", "restore");
        node.RunWithInput($"iptables-{backend}-restore", $"*mangle\n:{instance}f-zy - [0:0]\n-A {instance}f-zy -m set --match-set {instance}p-zz.4 src -j DROP\nCOMMIT\n", "--noflush");
        await node.RestartAsync();
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));

        await node.ReplaceAsync(
            [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1))], [PeersOf(1, node.A)], node.Endpoint(node.B, ingress: 1));

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.DoesNotContain($"{instance}f-zy", node.Saved(IpFamily.IPv4), StringComparison.Ordinal);
        await node.Datapath.LookForDriftAsync();
        await UntilAsync(() => node.Run("ipset", "list", "-n").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length == 4, "only the sets of the new rules");
        Assert.Equal(0, node.Datapath.GetStatus().DriftRepairs);
    }

    [Theory]
    [InlineData("nft", "flush chain")]
    [InlineData("nft", "remove jump")]
    [InlineData("nft", "insert accept before jump")]
    [InlineData("nft", "flush set")]
    [InlineData("nft", "change rule")]
    [InlineData("legacy", "flush chain")]
    [InlineData("legacy", "remove jump")]
    [InlineData("legacy", "insert accept before jump")]
    [InlineData("legacy", "flush set")]
    [InlineData("legacy", "change rule")]
    public async Task Drift_ByAnotherProcess_IsRepairedAndCounted(string backend, string what)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        await node.Datapath.LookForDriftAsync();
        Assert.Equal(0, node.Datapath.GetStatus().DriftRepairs);
        var prefix = $"pcl.{Instance}.";
        string[] command = what switch
        {
            "flush chain" => ["-F", $"{prefix}out"],
            "remove jump" => ["-D", "POSTROUTING", "-j", $"{prefix}out"],
            "insert accept before jump" => ["-I", "POSTROUTING", "-j", "ACCEPT"],
            "change rule" => ["-R", $"{prefix}xi", "2", "-j", "ACCEPT"],
            _ => [],
        };
        if (command.Length > 0)
        {
            node.Run($"iptables-{backend}", ["-t", "mangle", .. command]);
            Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        }
        else
        {
            node.Run("ipset", "flush", node.Run("ipset", "list", "-n").Split('\n').First(name => name.StartsWith($"{prefix}p", StringComparison.Ordinal)));
        }

        await node.Datapath.LookForDriftAsync();

        Assert.Equal(1, node.Datapath.GetStatus().DriftRepairs);
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 81));
        await node.Datapath.LookForDriftAsync();
        Assert.Equal(1, node.Datapath.GetStatus().DriftRepairs);
    }

    [Fact]
    public async Task Drift_ToldByNfTables_IsRepairedBeforeTheNextRegularLook()
    {
        await using var node = new Node("nft", time: TimeProvider.System);
        await ApplyIsolationAsync(node);
        var before = node.Saved(IpFamily.IPv4);

        // The first look after a change is the one that later ones are compared with; it also collects what was removed.
        await UntilAsync(() => node.Datapath.GetStatus().Packets.Count > 0, "a reading");
        node.Run("iptables-nft", "-t", "mangle", "-F", $"pcl.{Instance}.out");

        await UntilAsync(() => node.Datapath.GetStatus().DriftRepairs > 0, "a repair");
        Assert.NotEqual(before, node.Saved(IpFamily.IPv4));
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Probe_OnThisMachine_SaysWhichBackend(string backend)
    {
        await using var node = new Node(backend);

        var support = await node.Datapath.ProbeAsync(TestContext.Current.CancellationToken);

        Assert.True(support.IsSupported, support.Reason);
        Assert.Contains(backend, support.Reason, StringComparison.Ordinal);
        Assert.DoesNotContain("pcl.", node.Saved(IpFamily.IPv4) + node.Run("ipset", "list", "-n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Detect_RulesOfOthersInOneBackend_ChoosesIt()
    {
        await using var node = new Node("nft");
        node.RunWithInput("iptables-legacy-restore", Foreign, "--noflush");
        Assert.Equal(Backend.Legacy, node.Network.Node.Run(BackendDetector.Detect).Backend);

        node.RunWithInput("iptables-nft-restore", "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n", "--noflush");
        Assert.Equal(Backend.Nft, node.Network.Node.Run(BackendDetector.Detect).Backend);
    }

    [Fact]
    public async Task Apply_LockHeldByAnotherProcess_WaitsForIt()
    {
        await using var node = new Node("legacy");
        using var holder = Process.Start(new ProcessStartInfo("flock", ["/run/xtables.lock", "sh", "-c", "echo held; read line"])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        try
        {
            Assert.Equal("held", await holder.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));
            Assert.Contains($"process {holder.Id} (flock)", XtablesLock.Describe(), StringComparison.Ordinal);

            var applying = ApplyIsolationAsync(node);
            await node.UntilWarnedAsync($"process {holder.Id} (flock)");
            Assert.False(applying.IsCompleted);
            await holder.StandardInput.WriteLineAsync("go");
            await applying;

            Assert.Contains($"pcl.{Instance}.", node.Saved(IpFamily.IPv4), StringComparison.Ordinal);
        }
        finally
        {
            holder.StandardInput.Close();
            await holder.WaitForExitAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task Lock_HeldForPrograms_RefusesOthersAndIsInherited()
    {
        await using var node = new Node("legacy");
        IDisposable? held = null;
        await UntilAsync(() => (held = XtablesLock.TryHold()) is not null, "other tests to let go of the lock");
        using (held)
        {
            var restore = Backend.Legacy.Restore(IpFamily.IPv4)!;
            const string nothing = "*mangle\nCOMMIT\n";
            Assert.Null(XtablesLock.TryHold());
            Assert.True(XtablesLock.IsHeld(restore.Run(nothing, "--noflush", "--test", "-w", "1")));
            Assert.Equal(0, node.Network.Node.Run(() => restore.Start(nothing, XtablesLock.HeldByStarter, "--noflush", "--test", "-w", "1").Wait()).ExitCode);

            // Whoever has the file open keeps the lock when this process is killed.
            Assert.Contains("/run/xtables.lock", Tool.Find("ls")!.Run(string.Empty, "-l", "/proc/self/fd").Output, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Apply_ChangesInARow_TheLastOneIsInForceBeforeAndAfterTidying(string backend)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        for (var id = 2; id < 6; id++)
        {
            var open = id % 2 == 0 ? 80 : 81;
            await node.ApplyAsync(new ChangeSet
            {
                Revision = 0,
                RuleSets = [Isolated(id, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, (ushort)open)))],
                Endpoints = [node.Endpoint(node.B, ingress: id)],
                RemovedRuleSets = [new(id - 1)],
            });
            Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, open));
            Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv6, 161 - open));
        }

        await node.Datapath.LookForDriftAsync();

        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 81));
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv6, 80));
        foreach (var family in new[] { IpFamily.IPv4, IpFamily.IPv6 })
        {
            Assert.Single(node.Saved(family).Split('\n'), line => line.StartsWith($":pcl.{Instance}.f", StringComparison.Ordinal));
        }

        // The look found as many rules in each chain as there should be.
        Assert.Equal(0, node.Datapath.GetStatus().DriftRepairs);
        await node.ApplyAsync(new ChangeSet { Revision = 0, RemovedEndpoints = [node.Endpoint(node.B).Workload] });
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
    }

    [Fact]
    public async Task Tidy_ChainInUseByOthers_PutsEverythingBackAsItShouldBe()
    {
        await using var node = new Node("nft");
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        var chain = node.Saved(IpFamily.IPv4).Split('\n').First(line => line.StartsWith($":pcl.{Instance}.f", StringComparison.Ordinal)).Split(' ')[0][1..];
        await node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            RuleSets = [Isolated(2, Direction.Ingress, Rule(RuleAction.Accept, 1))],
            Endpoints = [node.Endpoint(node.B, ingress: 2)],
            RemovedRuleSets = [new(1)],
        });
        node.Run("iptables-nft", "-t", "mangle", "-A", "OUTPUT", "-j", chain);

        await node.Datapath.LookForDriftAsync();

        Assert.Equal(1, node.Datapath.GetStatus().DriftRepairs);
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.DoesNotContain($"{chain} ", node.Saved(IpFamily.IPv4), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Apply_RefusedByTheKernel_KeepsWhatWasInForce(string backend)
    {
        await using var node = new Node(backend);
        await using var http = new Responders(node.B, 80, 81);
        await ApplyIsolationAsync(node);
        await node.ApplyAsync(new ChangeSet { Revision = 0, PeerSets = [PeersOf(2, node.A)] });
        var unused = node.Run("ipset", "list", "-n").Split('\n', StringSplitOptions.RemoveEmptyEntries).Last(name => name.EndsWith(".4", StringComparison.Ordinal));
        node.Run("ipset", "destroy", unused);

        var failure = await Assert.ThrowsAsync<DatapathException>(() => node.ApplyAsync(new ChangeSet
        {
            Revision = 0,
            RuleSets = [Isolated(2, Direction.Ingress, Rule(RuleAction.Accept, 2))],
            Endpoints = [node.Endpoint(node.B, ingress: 2)],
            RemovedRuleSets = [new(1)],
        }));

        Assert.Contains($"iptables-{backend}-restore", failure.Message, StringComparison.Ordinal);
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
        Assert.Equal(ProbeOutcome.Allowed, await TcpAsync(node.A, node.B, IpFamily.IPv4, 81));
        await ApplyIsolationAsync(node);
        Assert.Equal(ProbeOutcome.Denied, await TcpAsync(node.A, node.B, IpFamily.IPv4, 80));
    }

    // B answers on port 81 to A only; on port 80 to nobody.
    private static async Task ApplyIsolationAsync(Node node) => await node.ReplaceAsync(
        [Isolated(1, Direction.Ingress, Rule(RuleAction.Accept, 1, Port(IpProtocol.Tcp, 81)))],
        [PeersOf(1, node.A)],
        node.Endpoint(node.B, ingress: 1),
        node.Endpoint(node.A));
}
