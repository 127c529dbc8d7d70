using System.Buffers.Binary;
using Portcullis.Datapath.Iptables.Flows;
using Portcullis.Datapath.Iptables.Rendering;
using Portcullis.Datapath.Iptables.Tools;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;
using static Portcullis.Datapath.Conformance.PolicedNode;

namespace Portcullis.Datapath.Iptables.Tests;

public sealed class SavedTableTests
{
    [Fact]
    public void Parse_SavedText_GivesChainsRulesAndCounters()
    {
        var table = SavedTable.Parse("# x\n*mangle\n:INPUT ACCEPT [1:2]\n:pcl.a.in - [0:0]\n[3:40] -A INPUT -i eth0 -j pcl.a.in\nCOMMIT\n");

        Assert.Equal(["INPUT", "pcl.a.in"], table.Chains);
        Assert.Equal([new SavedRule("INPUT", "-i eth0 -j pcl.a.in", 3, 40)], table.Rules);
        Assert.Equal("pcl.a.in", SavedTable.TargetOf(table.Rules[0].Text));
    }
}

public sealed class ToolResultTests
{
    [Theory]
    [InlineData("ip6tables-nft-restore v1.8.9 (nf_tables): \nline 18067: RULE_APPEND failed (Too many links)", 18067)]
    [InlineData("iptables-restore: line 6 failed", 6)]
    [InlineData("ipset v7.17: Error in line 3: Set cannot be destroyed: it is in use by a kernel component", 3)]
    [InlineData("iptables-restore v1.8.9 (legacy): no such chain\nError occurred at line: 2\nTry `iptables-restore -h'", 2)]
    [InlineData("out of memory", null)]
    public void ErrorLine_AsTheProgramsWriteIt_IsFound(string error, int? expected) =>
        Assert.Equal(expected, new ToolResult(1, string.Empty, error).ErrorLine);
}

public sealed class PeerSetsTests
{
    [Theory]
    [InlineData("10.0.0.1/32", "10.0.0.1")]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("0.0.0.0/0", "0.0.0.0/1 128.0.0.0/1")]
    [InlineData("::/0", "::/1 8000::/1")]
    [InlineData("fd00::1/128", "fd00::1")]
    public void Elements_OfAPrefix_AreWhatASetCanHold(string prefix, string expected) =>
        Assert.Equal(expected, string.Join(' ', PeerSets.Elements(IpPrefix.Parse(prefix))));
}

public sealed class PacketHeadersTests
{
    [Fact]
    public void Read_IPv4WithOptions_FindsThePortsBehindThem()
    {
        var packet = new byte[28];
        packet[0] = 0x46;
        packet[9] = 17;
        packet[12] = 10;
        packet[15] = 1;
        packet[16] = 10;
        packet[19] = 2;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(24), 1000);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(26), 53);

        Assert.Equal(
            new PacketHeaders(IpAddress.Parse("10.0.0.1"), IpAddress.Parse("10.0.0.2"), 17, 1000, 53),
            PacketHeaders.Read(packet));
    }

    [Fact]
    public void Read_IPv6WithExtensionHeaders_FindsThePortsBehindThem()
    {
        var packet = new byte[40 + 16 + 4];
        packet[0] = 0x60;
        packet[6] = 60;
        packet[23] = 1;
        packet[39] = 2;
        packet[40] = 6;
        packet[41] = 1;
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(58), 443);

        Assert.Equal(new PacketHeaders(IpAddress.Parse("::1"), IpAddress.Parse("::2"), 6, 0, 443), PacketHeaders.Read(packet));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(19)]
    public void Read_Truncated_IsNothing(int length) => Assert.Null(PacketHeaders.Read([.. Enumerable.Repeat((byte)0x45, length)]));
}

public sealed class RuleFinderTests
{
    private static readonly EquatableArray<RuleTier> Tiers =
    [
        new RuleTier(RuleTierKind.Service, [new Rule(RuleAction.Accept, null, null, Reference("service"))]),
        new RuleTier(RuleTierKind.Admin, [
            new Rule(RuleAction.Pass, null, [Port(IpProtocol.Tcp, 1)], Reference("pass")),
            new Rule(RuleAction.Deny, [new PeerSetId(1)], [Port(IpProtocol.Tcp, 1), Port(IpProtocol.Tcp, 2)], Reference("deny")),
        ]),
        new RuleTier(RuleTierKind.NetworkPolicy, [new Rule(RuleAction.Accept, null, [Port(IpProtocol.Tcp, 3)], Reference("accept"))], Reference("isolation")),
    ];

    [Theory]
    [InlineData(1, FlowVerdict.Deny, "isolation")]
    [InlineData(2, FlowVerdict.Deny, "deny")]
    [InlineData(3, FlowVerdict.Allow, "accept")]
    [InlineData(4, FlowVerdict.Deny, "isolation")]
    [InlineData(3, FlowVerdict.Deny, null)]
    public void Find_ByPort_IsTheRuleThatDecidedUnlessTheKernelDidOtherwise(ushort port, FlowVerdict verdict, string? expected) =>
        Assert.Equal(
            expected,
            RuleFinder.Find(Tiers, IpAddress.Parse("10.0.0.1"), (byte)IpProtocol.Tcp, port, verdict, (_, _) => true)?.Policy.Name);
}

public sealed class InterfaceOwnersTests
{
    [Fact]
    public void Of_TwoEndpointsOnOneInterfaceAndANameThatCannotBeWritten_AreReported()
    {
        Endpoint On(string name, string link) => new(new("default", name), link, InterfaceSide.Peer, [], null, null, new Link(link, 1));
        var problems = new List<Finding>();

        var owners = InterfaceOwners.Of([On("a", "veth0"), On("b", "veth0"), On("c", "veth+"), On("d", "x\"y"), On("e", "veth1")], problems);

        Assert.Equal(["e"], owners.Policed.Select(policed => policed.Endpoint.Workload.Name));
        Assert.Equal(["veth+", "veth0", "x\"y"], owners.Closed);
        Assert.Equal(["endpoint default/b", "endpoint default/c", "endpoint default/d"], problems.Select(problem => problem.Object));
    }

    [Theory]
    [InlineData("veth+", "-i \"veth++\"")]
    [InlineData("abcdefghijklmn+", "-i \"abcdefghijklmn+\"")]
    [InlineData("q\"b", "-i \"q\\\"b\"")]
    [InlineData("b\\c", "-i \"b\\\\c\"")]
    [InlineData("x\ufffdy", "-i \"x+\"")]
    public void AnyName_OfAnInterface_MatchesIt(string name, string expected) => Assert.Equal(expected, InterfaceOwners.AnyName("-i", name));
}

public sealed class SctpPortsTests
{
    private static readonly PortRange Sctp = Port(IpProtocol.Sctp, 7000);
    private static readonly PortRange Tcp = Port(IpProtocol.Tcp, 80);
    private static readonly PortRange AllSctp = PortRange.All(IpProtocol.Sctp);

    [Fact]
    public void Close_RulesOfEveryAction_FailClosedForSctpAlone()
    {
        var rules = new RuleSet(new(1), Direction.Ingress, [new RuleTier(RuleTierKind.Admin, [
            Rule(RuleAction.Accept, null, Sctp, Tcp),
            Rule(RuleAction.Deny, null, Sctp),
            Rule(RuleAction.Pass, null, Tcp, Sctp),
            Rule(RuleAction.Accept, null, AllSctp),
            Rule(RuleAction.Accept, null),
        ])]);

        var closed = SctpPorts.Close(rules).Tiers.Items.Single().Rules;

        Assert.Equal(
            [
                Rule(RuleAction.Accept, null, Tcp),
                Rule(RuleAction.Deny, null, AllSctp),
                Rule(RuleAction.Deny, null) with { Ports = [] },
                Rule(RuleAction.Deny, null, AllSctp),
                Rule(RuleAction.Pass, null, Tcp),
                Rule(RuleAction.Accept, null, AllSctp),
                Rule(RuleAction.Accept, null),
            ],
            closed.Items);
    }
}

public sealed class CapabilitiesTests
{
    [Theory]
    [InlineData(0x3000ul, "")]
    [InlineData(0x1000ul, "CAP_NET_RAW")]
    [InlineData(0ul, "CAP_NET_ADMIN CAP_NET_RAW")]
    public void MissingIn_ASet_AreNamed(ulong effective, string expected) => Assert.Equal(expected, string.Join(' ', Capabilities.MissingIn(effective)));
}
