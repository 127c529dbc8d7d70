using Portcullis.Benchmarks.Native;
using Portcullis.Benchmarks.Packets;
using Portcullis.Benchmarks.Worlds;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Sources;
using Portcullis.TestSupport;
using Xunit;

namespace Portcullis.Costs.Tests;

/// <summary>What packets and rules cost in the eBPF datapath, counted instead of timed. They need root.</summary>
public sealed class PacketCostTests(ITestOutputHelper output)
{
    private const int Runs = 10_000;

    [Fact]
    public void Packet_WithAThousandTimesTheRules_TakesAsManyInstructions()
    {
        Root.RequireBpf();
        var few = InstructionsPerPacket(new RuleWorld(rules: 10, addresses: 1_000));
        var many = InstructionsPerPacket(new RuleWorld(rules: 10_000, addresses: 100_000));

        output.WriteLine($"instructions for a packet: {few:F0} with 10 rules, {many:F0} with 10,000");
        Assert.InRange(many, 1, few * 1.1);
    }

    [Fact]
    public void Tables_OfTenThousandRulesAndAHundredThousandAddresses_StayWithinTheirBounds()
    {
        Root.RequireBpf();
        using var programs = new LoadedPrograms(Compile(new RuleWorld(rules: 10_000, addresses: 100_000)));
        foreach (var table in programs.Tables)
        {
            output.WriteLine($"{table.Table}: {table.Entries} of {table.Capacity}");
        }

        long Entries(string table) => programs.Tables.Single(usage => usage.Table == table).Entries;

        // 100 sets of peers that do not meet, the two pods, and the addresses in no set: a class for each.
        Assert.InRange(Entries("classes"), 100, 110);
        // A rule set for each pod, and those of client and server.
        Assert.InRange(Entries("rows"), RuleWorld.MaxPods, RuleWorld.MaxPods + 10);
        // A row is at most its own pages; uniform ones are shared.
        Assert.InRange(Entries("pages"), 1, 2 * (RuleWorld.MaxPods + 10));
        // 100,000 addresses at every fifth: 500,000 of each family, in blocks of 256 leaves and the levels above.
        Assert.InRange(Entries("blocks"), 1, 2 * 2 * 500_000 / 256);
    }

    private static double InstructionsPerPacket(RuleWorld world)
    {
        using var programs = new LoadedPrograms(Compile(world));
        var server = RuleWorld.Server;
        var (peer, port) = world.ByHand(0, Net.IpFamily.IPv4);
        var frame = Frames.Tcp(peer, 40_000, server.Addresses[0], port, Frames.Ack);
        Assert.True(programs.Receive(server.Key.NamespacedName, frame, 1));
        var instructions = KernelCalls.Instructions(() => programs.Receive(server.Key.NamespacedName, frame, Runs));
        if (instructions is null)
        {
            Assert.Skip("this machine gives no access to an instruction counter (perf_event_open refuses it, as in most virtual machines)");
        }

        return (double)instructions.Value / Runs;
    }

    private static Rules.ChangeSet Compile(RuleWorld world)
    {
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = RuleWorld.Node });
        compiler.Apply([.. world.Resources.Select(ResourceChange.Upsert)]);
        return compiler.Flush(1);
    }
}
