using Portcullis.Datapath.Ebpf.Native;
using Portcullis.Net;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Policy.Tests;

/// <summary>What becomes of a packet.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Rule">The rule that decided, where one did.</param>
internal readonly record struct Fate(PcReason Reason, RuleReference? Rule = null)
{
    public bool IsDenied => Reason >= PcReason.Denied;
}

/// <summary>What rules say of one direction of an endpoint.</summary>
internal interface IModelRules
{
    /// <summary>Whether there are rules for a direction.</summary>
    bool Has(Direction direction);

    /// <summary>Whether they can deny anything.</summary>
    bool CanDeny(Direction direction);

    /// <summary>Their verdict.</summary>
    Fate Judge(Direction direction, IpAddress peer, byte protocol, ushort port);
}

/// <summary>
/// What becomes of the packets of one endpoint, told in plain sets: written from what a policy means, sharing nothing with the
/// programs or their tables.
/// </summary>
internal sealed class PacketModel(IModelRules rules, EquatableArray<IpAddress> addresses, bool checksSource, bool keepsEstablished)
{
    private const int FirstEphemeralPort = 32768;
    private const int AdoptionsAfterAMiss = 64;

    private readonly HashSet<Flow> _flows = [];
    private readonly HashSet<Fragments> _fragments = [];
    private int _adoptions;

    /// <summary>A flow as the endpoint sees it, under the direction of its first packet.</summary>
    private readonly record struct Flow(Direction Opener, byte Protocol, IpAddress Own, ushort OwnPort, IpAddress Peer, ushort PeerPort);

    /// <summary>What the fragments of one packet have in common.</summary>
    private readonly record struct Fragments(Direction Direction, IpAddress Source, IpAddress Destination, byte Protocol, uint Id);

    public Fate Judge(Direction direction, ModelPacket packet)
    {
        var isChecked = checksSource && direction == Direction.Egress;
        if (packet.Defect is { } defect)
        {
            return new Fate(rules.CanDeny(direction) || isChecked ? defect : PcReason.Unpoliced);
        }

        if (!packet.IsIp)
        {
            return new Fate(JudgeOther(direction, packet));
        }

        var isOwn = addresses.Contains(packet.Source);
        if (packet.IsNeighbour)
        {
            return new Fate(isChecked && !isOwn && !IsLocal(packet.Source) ? PcReason.Spoofed : PcReason.Neighbour);
        }

        if (isChecked && !isOwn)
        {
            return new Fate(PcReason.Spoofed);
        }

        if (packet.FragmentOffset is > 0 and var offset)
        {
            return new Fate(JudgeLaterFragment(direction, packet, offset));
        }

        var fate = JudgeFlow(direction, packet);
        if (packet.Answer is { } answer && fate.Reason is PcReason.Audit or PcReason.Denied or PcReason.Isolated)
        {
            fate = JudgeError(direction, packet, answer, fate);
        }

        if (packet.FragmentOffset == 0 && rules.CanDeny(direction))
        {
            _ = fate.IsDenied ? _fragments.Remove(FragmentsOf(direction, packet)) : _fragments.Add(FragmentsOf(direction, packet));
        }

        return fate;
    }

    private static bool IsLocal(IpAddress address) =>
        address.Family == IpFamily.IPv6 && (address.Bits == 0 || IpPrefix.Parse("fe80::/10").Contains(address));

    private static Direction Opposite(Direction direction) => direction == Direction.Ingress ? Direction.Egress : Direction.Ingress;

    private static Fragments FragmentsOf(Direction direction, ModelPacket packet) =>
        new(direction, packet.Source, packet.Destination, packet.Family == IpFamily.IPv4 ? packet.Protocol : (byte)0, packet.FragmentId);

    private static Flow FlowOf(Direction direction, ModelPacket packet, Direction opener) => direction == Direction.Ingress
        ? new Flow(opener, packet.Protocol, packet.Destination, packet.DestinationPort, packet.Source, packet.SourcePort)
        : new Flow(opener, packet.Protocol, packet.Source, packet.SourcePort, packet.Destination, packet.DestinationPort);

    private static IpAddress PeerOf(Direction direction, ModelPacket packet) => direction == Direction.Ingress ? packet.Source : packet.Destination;

    private PcReason JudgeOther(Direction direction, ModelPacket packet)
    {
        if (packet.IsArp)
        {
            return PcReason.Neighbour;
        }

        if (packet.IsTagged)
        {
            return rules.CanDeny(Direction.Ingress) || rules.CanDeny(Direction.Egress) || checksSource ? PcReason.Vlan : PcReason.NonIp;
        }

        return rules.CanDeny(direction) ? PcReason.NonIpDenied : PcReason.NonIp;
    }

    private PcReason JudgeLaterFragment(Direction direction, ModelPacket packet, int offset)
    {
        if (!rules.CanDeny(direction))
        {
            return PcReason.Unpoliced;
        }

        // One that begins inside the largest fixed transport header could rewrite it.
        return offset >= 20 && _fragments.Contains(FragmentsOf(direction, packet)) ? PcReason.Fragment : PcReason.FragmentDenied;
    }

    private Fate JudgeFlow(Direction direction, ModelPacket packet)
    {
        if (!rules.Has(Direction.Ingress) && !rules.Has(Direction.Egress))
        {
            return new Fate(PcReason.Unpoliced);
        }

        var policy = rules.Judge(direction, PeerOf(direction, packet), packet.Protocol, packet.DestinationPort);
        if (policy.Reason >= PcReason.Audit)
        {
            var fate = JudgeReply(direction, packet, policy);
            if (fate != policy || policy.IsDenied)
            {
                return fate;
            }
        }

        Remember(direction, packet);
        return policy;
    }

    /// <summary>What policy denies, or would if audited policies were enforced, may belong to a flow that goes on.</summary>
    private Fate JudgeReply(Direction direction, ModelPacket packet, Fate policy)
    {
        var opposite = Opposite(direction);
        if (packet.Replies)
        {
            var question = rules.Judge(opposite, PeerOf(direction, packet), packet.Protocol, packet.SourcePort);
            var isKnownReply = _flows.Contains(FlowOf(direction, packet, opposite));
            if (!question.IsDenied && isKnownReply && (question.Reason != PcReason.Audit || policy.IsDenied))
            {
                return question.Reason == PcReason.Audit ? question : new Fate(PcReason.Reply);
            }

            if (!question.IsDenied && !isKnownReply && packet.IsTcp)
            {
                _adoptions = AdoptionsAfterAMiss;
            }
        }

        if (!keepsEstablished || !policy.IsDenied || (packet.IsTcp && packet.Opens))
        {
            return policy;
        }

        var isKnown = (packet.Replies && _flows.Contains(FlowOf(direction, packet, opposite)))
            || ((packet.Opens || packet.IsTcp) && _flows.Contains(FlowOf(direction, packet, direction)));
        return isKnown ? new Fate(PcReason.Established) : policy;
    }

    /// <summary>After a packet passed by policy: its flow is remembered where its replies need it.</summary>
    private void Remember(Direction direction, ModelPacket packet)
    {
        var flow = FlowOf(direction, packet, direction);
        var opposite = Opposite(direction);
        if (keepsEstablished)
        {
            var isKnown = _flows.Contains(flow) || _flows.Contains(flow with { Opener = opposite });
            if ((packet.Opens || packet.Replies) && (!isKnown || (packet.IsTcp && packet.Opens)))
            {
                _flows.Add(flow);
            }

            return;
        }

        if (!rules.Has(opposite))
        {
            return;
        }

        if (!packet.Opens)
        {
            if (!packet.IsTcp || _adoptions == 0 || packet.SourcePort < FirstEphemeralPort || packet.DestinationPort >= FirstEphemeralPort)
            {
                return;
            }

            _adoptions--;
        }

        if (rules.Judge(opposite, PeerOf(direction, packet), packet.Protocol, packet.SourcePort).Reason >= PcReason.Audit)
        {
            _flows.Add(flow);
        }
    }

    /// <summary>An error passes when the packet it quotes went the other way and its answer would pass.</summary>
    private Fate JudgeError(Direction direction, ModelPacket error, ModelPacket answer, Fate fate)
    {
        var isOurs = direction == Direction.Ingress ? answer.Destination == error.Destination : answer.Source == error.Source;
        if (!isOurs)
        {
            return fate;
        }

        var policy = rules.Judge(direction, PeerOf(direction, answer), answer.Protocol, answer.DestinationPort);
        var answered = policy.Reason >= PcReason.Audit ? JudgeReply(direction, answer, policy) : policy;
        return answered.IsDenied ? fate : answered.Reason == PcReason.Audit ? answered : new Fate(PcReason.IcmpError);
    }
}
