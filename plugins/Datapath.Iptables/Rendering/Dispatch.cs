using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>A rule of a built-in chain that enters the instance's chains.</summary>
/// <param name="Table">The table.</param>
/// <param name="BuiltIn">The built-in chain.</param>
/// <param name="Target">The instance's chain.</param>
internal readonly record struct Jump(string Table, string BuiltIn, string Target);

/// <summary>From a hook to the chains of the packet's endpoint.</summary>
/// <remarks>
/// Others accept what they know in table filter, which ends none of the walks here: what enters by an interface is seen in INPUT and
/// FORWARD of table security, which comes after filter, what leaves by one in POSTROUTING of table mangle, both with real (translated)
/// addresses of the backend and before the source is masqueraded. Two tables, because a change of one costs by its size with ip_tables.
/// </remarks>
internal sealed class Dispatch
{
    private readonly Verdicts _verdicts;
    private readonly DatapathSettings _settings;
    private readonly string _ownAddresses;
    private readonly IReadOnlyList<IpFamily> _families;
    private readonly Side _in;
    private readonly Side _out;
    private readonly InterfaceTree _checked;
    private readonly string _sourceHook;
    private IReadOnlyList<string>? _closed;

    /// <summary>Names the chains.</summary>
    /// <param name="names">Where names come from.</param>
    /// <param name="verdicts">Where packets end.</param>
    /// <param name="settings">What the configuration says.</param>
    /// <param name="ownAddresses">The set of (own address, interface), without its family.</param>
    /// <param name="families">The families of packets there are.</param>
    /// <param name="inTable">The table that sees what comes in.</param>
    public Dispatch(
        Names names, Verdicts verdicts, DatapathSettings settings, string ownAddresses, IReadOnlyList<IpFamily> families, string inTable)
    {
        _families = families;
        _verdicts = verdicts;
        _settings = settings;
        _ownAddresses = ownAddresses;
        _in = new Side(inTable, names, "in", "-i", verdicts.Chain('d', Direction.Egress), new InterfaceTree("-i", names, 'i'), new InterfaceTree("-i", names, 'j'));
        _out = new Side("mangle", names, "out", "-o", verdicts.Chain('d', Direction.Ingress), new InterfaceTree("-o", names, 'o'), new InterfaceTree("-o", names, 'k'));
        _checked = new InterfaceTree("-i", names, 's');
        _sourceHook = names.Fixed("src");
    }

    /// <summary>Where built-in chains enter.</summary>
    public IEnumerable<Jump> Jumps
    {
        get
        {
            yield return new Jump(_in.Table, "INPUT", _in.Hook);
            yield return new Jump(_in.Table, "FORWARD", _in.Hook);
            yield return new Jump(_out.Table, "POSTROUTING", _out.Hook);
            if (!_settings.AllowSpoofing)
            {
                yield return new Jump("raw", "PREROUTING", _sourceHook);
            }
        }
    }

    /// <summary>The table that judges packets of a direction, for endpoints on a side.</summary>
    public string TableOf(InterfaceSide side, Direction direction) => SideOf(side, direction).Table;

    /// <summary>Writes what does not depend on endpoints.</summary>
    public void Begin(Plan plan)
    {
        foreach (var family in _families)
        {
            foreach (var table in new[] { _in.Table, _out.Table }.Distinct())
            {
                foreach (var chain in _verdicts.Chains())
                {
                    plan.Of(table, family).Add(chain);
                }
            }

            if (!_settings.AllowSpoofing)
            {
                plan.Of("raw", family).Add(_verdicts.SpoofedChain(family));
                plan.Of("raw", family).Add(new Chain(_sourceHook, [
                    $"-m set --match-set {PeerSets.NameOf(_ownAddresses, family)} src,src -j RETURN",
                    $"-g {_checked.Root}",
                ]));
            }
        }
    }

    /// <summary>Lets nothing pass these interfaces, and others again.</summary>
    public void Close(Plan plan, IReadOnlyList<string> interfaces)
    {
        if (_closed?.SequenceEqual(interfaces) == true)
        {
            return;
        }

        var isFirst = _closed is null;
        _closed = interfaces;
        foreach (var side in new[] { _in, _out })
        {
            foreach (var family in _families)
            {
                var changes = plan.Of(side.Table, family);
                foreach (var chain in HookChains(side, family))
                {
                    if (isFirst)
                    {
                        changes.Add(chain);
                    }
                    else
                    {
                        changes.Change(chain);
                    }
                }
            }
        }
    }

    /// <summary>Leads packets of these interfaces to their endpoints' rules.</summary>
    /// <param name="plan">Where to put the changes.</param>
    /// <param name="interfaces">The interfaces.</param>
    /// <param name="flowsOf">The chain that judges packets of a rule set's direction, for endpoints on a side.</param>
    /// <param name="repliesOf">
    /// The chain that judges replies to flows of the first rule set's direction, and by the second what is none; null when replies are not judged.
    /// </param>
    public void Update(
        Plan plan,
        IReadOnlyList<PolicedInterface> interfaces,
        Func<RuleSetId, InterfaceSide, string> flowsOf,
        Func<RuleSetId, RuleSetId, InterfaceSide, string>? repliesOf)
    {
        ChainChanges[] In(string table) => [.. _families.Select(family => plan.Of(table, family))];

        foreach (var side in new[] { _in, _out })
        {
            var flows = new Dictionary<string, string>();
            var replies = new Dictionary<string, string>();
            foreach (var (name, endpoint) in interfaces)
            {
                var isIngress = SideOf(endpoint.Side, Direction.Ingress) == side;
                if ((isIngress ? endpoint.Ingress : endpoint.Egress) is not { } rules)
                {
                    continue;
                }

                flows.Add(name, flowsOf(rules, endpoint.Side));

                // A reply belongs to a flow of the other direction. Where nothing judges that one, every reply passes.
                if (repliesOf is not null && (isIngress ? endpoint.Egress : endpoint.Ingress) is { } opposite)
                {
                    replies.Add(name, repliesOf(opposite, rules, endpoint.Side));
                }
            }

            side.Flows.Update(flows, In(side.Table));
            side.Replies.Update(replies, In(side.Table));
        }

        if (!_settings.AllowSpoofing)
        {
            _checked.Update(interfaces
                .Where(policed => policed.Endpoint is { Side: InterfaceSide.Peer, Addresses.IsEmpty: false })
                .ToDictionary(policed => policed.Name, _ => _verdicts.Spoofed), In("raw"));
        }
    }

    // What the machine receives on a veth its pod sends.
    private Side SideOf(InterfaceSide side, Direction direction) =>
        (side == InterfaceSide.Peer) == (direction == Direction.Egress) ? _in : _out;

    private IEnumerable<Chain> HookChains(Side side, IpFamily family)
    {
        var isEnforced = _settings.Established == EstablishedConnections.Enforce;
        var established = $"-m conntrack --ctstate ESTABLISHED {(isEnforced ? "--ctdir REPLY " : string.Empty)}-g {side.ReplyHook}";
        const string related = "-m conntrack --ctstate RELATED -j RETURN";
        string[] closed = [.. _closed!.Select(name => $"{InterfaceOwners.AnyName(side.Option, name)} -g {side.Closed}")];
        string[] judged = [established, $"-g {side.Flows.Root}"];
        if (family == IpFamily.IPv4)
        {
            yield return new Chain(side.Hook, [.. closed, $"-p icmp {related}", .. judged]);
        }
        else
        {
            yield return new Chain(side.Hook, [$"-p ipv6-icmp -g {side.IcmpHook}", .. closed, .. judged]);
            yield return new Chain(side.IcmpHook, [.. IcmpV6.Exempt.Select(match => $"{match} -j RETURN"), .. closed, related, .. judged]);
        }

        // A SYN opens a connection, whatever conntrack remembers of its addresses and ports.
        yield return new Chain(side.ReplyHook, [
            $"-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -g {side.Flows.Root}",
            isEnforced ? $"-g {side.Replies.Root}" : "-j RETURN",
        ]);
    }

    /// <summary>The chains of one side of the machine: what comes in, or what goes out.</summary>
    private sealed class Side(string table, Names names, string name, string option, string closed, InterfaceTree flows, InterfaceTree replies)
    {
        public string Table => table;

        public string Option => option;

        /// <summary>Where packets of closed interfaces end.</summary>
        public string Closed => closed;

        public string Hook { get; } = names.Fixed(name);

        public string ReplyHook { get; } = names.Fixed(name + "r");

        public string IcmpHook { get; } = names.Fixed(name + "6");

        public InterfaceTree Flows => flows;

        public InterfaceTree Replies => replies;
    }
}
