using Portcullis.Net;
using Portcullis.Rules;
using static Portcullis.Datapath.Ebpf.Tests.Packets.Frames;

namespace Portcullis.Datapath.Ebpf.Tests.Packets;

public sealed class SwitchTests(Judge judge, ITestOutputHelper output) : PacketTests(judge), IClassFixture<Judge>
{
    private const int Flips = 10_000;
    private const int FlipsPerRemoval = 21;

    /// <summary>Policy A allows TCP 80 and 81, policy B 81 and 82, each to other peers beside; 81 is never dropped, 83 never passes.</summary>
    [Theory, MemberData(nameof(Families))]
    public async Task Policies_FlippedWhilePacketsRun_NothingBothAllowIsDroppedNothingNeitherAllowsPasses(IpFamily family)
    {
        var (a, b) = (Tcp(80, 81), Tcp(81, 82));
        Judge.Endpoint(AllowPeers(Direction.Ingress, a), AllowPeers(Direction.Egress, b), Own);
        var stop = false;
        long runs = 0, passedA = 0, passedB = 0;
        var packets = Task.Factory.StartNew(
            () =>
            {
                var frames = new[] { 80, 81, 82, 83 }.Select(port => Ip(Peer(family), Pod(family), 6, Frames.Tcp(40000, port, Syn))).ToArray();
                while (!Volatile.Read(ref stop))
                {
                    passedA += Judge.Passes(Direction.Ingress, frames[0]) ? 1 : 0;
                    passedB += Judge.Passes(Direction.Ingress, frames[2]) ? 1 : 0;
                    Assert.True(Judge.Passes(Direction.Ingress, frames[1]), $"dropped what both policies allow, after {runs} rounds");
                    Assert.False(Judge.Passes(Direction.Ingress, frames[3]), $"passed what neither policy allows, after {runs} rounds");
                    Interlocked.Increment(ref runs);
                }
            },
            TestContext.Current.CancellationToken,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);

        try
        {
            for (var flip = 0; flip < Flips && !packets.IsCompleted; flip++)
            {
                // Rule sets and peer sets are made and taken away all the time: rows, pages, classes and port lists are used again.
                Judge.SetEndpoint(
                    Judge.AllowAnew(Direction.Ingress, Peers, flip % 2 == 0 ? b : a), AllowPeers(Direction.Egress, flip % 2 == 0 ? a : b), Own);
                if (flip % FlipsPerRemoval == 0)
                {
                    Judge.RemoveOlder();
                }
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            await packets;
        }

        output.WriteLine($"{family}: {Flips} flips, {runs} rounds of packets, {passedA} passed by A, {passedB} by B");
        Assert.True(passedA > 0 && passedB > 0 && passedA < runs && passedB < runs, "the packets did not see both policies");
    }

    private static PortRange[] Tcp(ushort first, ushort last) =>
        [new(IpProtocol.Tcp, first, last), new(IpProtocol.Udp, 5, 5), new(IpProtocol.Sctp, 7, (ushort)(7 + last))];
}
