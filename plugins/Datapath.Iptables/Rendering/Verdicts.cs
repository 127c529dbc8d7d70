using Portcullis.Datapaths;
using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>A fate of packets of one direction: the end of every walk through the chains, where it is counted and reported.</summary>
/// <param name="Code">Its chain and the last word of its NFLOG prefix.</param>
/// <param name="Direction">The direction as the workload sees it.</param>
/// <param name="Verdict">What happens to the packet.</param>
/// <param name="Reason">Why.</param>
internal sealed record Fate(string Code, Direction Direction, FlowVerdict Verdict, string Reason);

/// <summary>The chains that packets end in. They live as long as the instance, so that their counters go on.</summary>
internal sealed class Verdicts(Names names, ushort nflogGroup)
{
    /// <summary>Every fate.</summary>
    public static readonly IReadOnlyList<Fate> All =
    [
        .. from fate in new (char Code, FlowVerdict Verdict, string Reason)[]
            {
                ('a', FlowVerdict.Allow, "allowed"),
                ('r', FlowVerdict.Allow, "reply"),
                ('o', FlowVerdict.Allow, "own-address"),
                ('u', FlowVerdict.AuditDeny, "audit"),
                ('d', FlowVerdict.Deny, "denied"),
                ('x', FlowVerdict.Deny, "isolated"),
            }
           from direction in new[] { Direction.Ingress, Direction.Egress }
           select new Fate($"{fate.Code}{(direction == Direction.Ingress ? 'i' : 'e')}", direction, fate.Verdict, fate.Reason),
        new Fate("se", Direction.Egress, FlowVerdict.Deny, "spoofed"),
    ];

    private static readonly string[] NotYetAddressed = ["fe80::/10", "::/128"];

    /// <summary>The NFLOG group packets are reported to.</summary>
    public ushort NflogGroup => nflogGroup;

    /// <summary>The chain of a fate.</summary>
    public string Chain(char code, Direction direction) => names.Fixed($"{code}{(direction == Direction.Ingress ? 'i' : 'e')}");

    /// <summary>Where packets with a false source address end.</summary>
    public string Spoofed => names.Fixed("se");

    /// <summary>The chains of the tables that judge.</summary>
    public IEnumerable<Chain> Chains() => All.Where(fate => fate.Reason != "spoofed").Select(fate => new Chain(names.Fixed(fate.Code), fate.Verdict switch
    {
        FlowVerdict.Deny => [Log(fate.Code), "-j DROP"],
        FlowVerdict.AuditDeny => [Log(fate.Code), "-j RETURN"],
        _ when fate.Reason == "reply" => ["-j RETURN"],
        _ => ["-m conntrack --ctstate NEW " + Log(fate.Code), "-j RETURN"],
    }));

    /// <summary>
    /// The chain of table raw that drops what a workload sends from an address that is not its own, but for what IPv6 needs
    /// before it has one: neighbour discovery and MLD from the link-local or the unspecified address.
    /// </summary>
    public Chain SpoofedChain(IpFamily family)
    {
        var exempt = family == IpFamily.IPv4
            ? []
            : from source in NotYetAddressed from match in IcmpV6.Exempt select $"-s {source} {match} -j RETURN";
        return new Chain(Spoofed, [.. exempt, Log("se"), "-j DROP"]);
    }

    private string Log(string code) => $"-j NFLOG --nflog-group {nflogGroup} --nflog-prefix \"{names.Prefix}{code}\"";
}
