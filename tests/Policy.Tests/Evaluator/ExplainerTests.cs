using Portcullis.Net;
using Portcullis.Policy.Evaluator;
using Portcullis.Policy.Store;
using Portcullis.Resources;
using Xunit;
using static Portcullis.Policy.Tests.Support.Cluster;

namespace Portcullis.Policy.Tests.Evaluator;

public sealed class ExplainerTests
{
    private static readonly PolicyOptions Options = new() { NodeName = "n1" };

    private static readonly Resource[] World =
    [
        Pod("web", "10.0.0.1 fd00::1", ("app", "web")),
        Pod("client", "10.0.0.2 fd00::2", ("app", "client")),
        Pod("another-ns/client", "10.0.0.3"),
        Pod("done", "10.0.0.4") with { Finished = true },
        Pod("host", "192.168.0.1") with { HostNetwork = true },
        Pod("starting", "") with { HostNetwork = true, NodeName = "n1" },
        new Node { Name = "n1", Addresses = [IpAddress.Parse("192.168.0.1")] },
        Ingress("web", Has("app", "web"), Allow([Pods(Has("app", "client"))], Port(80)), Allow([Block("fd00::/64", "fd00::2/128")])) with
        {
            Position = new SourcePosition("web.yaml", 3),
        },
    ];

    [Theory]
    [InlineData("default/client", 81, "ingress rules of default/web admit pod default/client, but not on 81/TCP")]
    [InlineData("another-ns/client", 80, "no ingress rule of default/web admits namespace another-ns")]
    [InlineData("192.0.2.1", 80, "no ingress rule of default/web admits 192.0.2.1")]
    public void Explain_Denied_SaysWhatWouldHaveToChange(string from, int port, string reason)
    {
        var explanation = Explain(from, "default/web", port);

        Assert.False(explanation.Allowed);
        Assert.Equal(reason, explanation.Ingress.Reason);
        Assert.Equal(new SourcePosition("web.yaml", 3), explanation.Ingress.DecidedBy?.Position);
        Assert.Null(explanation.Ingress.DecidedBy?.Rule);
        Assert.True(explanation.Egress.Allowed);
        Assert.Null(explanation.Egress.DecidedBy);
    }

    [Fact]
    public void Explain_NamesInBothFamilies_HaveToPassInBoth()
    {
        Assert.Equal(0, Explain("10.0.0.2", "default/web", 80).Ingress.DecidedBy?.Rule);
        Assert.True(Explain("default/client", "default/web", 80).Allowed);
        Assert.Equal(IpFamily.IPv4, Explain("default/client", "default/web", 81).Family);
        Assert.False(Explain("default/client", "default/web", 81).Allowed);
        Assert.False(Explain("fd00::2", "default/web", 81).Allowed);
    }

    [Fact]
    public void Explain_NodeAndHostNetwork_AreTheNode()
    {
        Assert.True(Explain("node", "default/web", 9).Allowed);
        Assert.True(Explain("default/host", "10.0.0.1", 9).Allowed);
        Assert.True(Explain("default/starting", "10.0.0.1", 9).Allowed);
        Assert.Equal("node", Explain("node", "default/web", 9).Ingress.DecidedBy?.Policy.Name);
    }

    [Theory]
    [InlineData("web", "'web' is not namespace/name, an address or 'node'")]
    [InlineData("default/nobody", "there is no pod default/nobody; check namespace and name")]
    [InlineData("default/done", "pod default/done has no address: it is finished, has none yet, or a younger pod has taken it over")]
    public void TryFind_Nothing_SaysWhy(string reference, string problem)
    {
        Assert.False(new Explainer(new PolicyEvaluator(new World(World), Options), Options).TryFind(reference, "192.0.2.1", out _, out var found));
        Assert.Equal(problem, found);
    }

    [Fact]
    public void Explain_NoCommonFamily_IsNoAnswer()
    {
        var explainer = new Explainer(new PolicyEvaluator(new World(World), Options), Options);

        Assert.True(explainer.TryFind("192.0.2.1", "fd00::1", out var from, out _));
        Assert.True(explainer.TryFind("fd00::1", "192.0.2.1", out var to, out _));
        Assert.Null(explainer.Explain(from!, to!, Tcp80));
    }

    [Fact]
    public void Matrix_EveryPairInEveryCommonFamily_ItselfIncluded()
    {
        var cells = Matrix.Build(new PolicyEvaluator(new World(World), Options), [Tcp80, new Probe(IpProtocol.Udp, 53)]);

        // Three pods with IPv4, two of them with IPv6 too.
        Assert.Equal(((3 * 3) + (2 * 2)) * 2, cells.Length);
        Assert.Contains(new MatrixCell(new("default", "web"), new("default", "web"), Tcp80, IpFamily.IPv6, true), cells);
        Assert.Contains(new MatrixCell(new("another-ns", "client"), new("default", "web"), Tcp80, IpFamily.IPv4, false), cells);
        Assert.DoesNotContain(cells, cell => cell.From.Name is "host" or "done");
    }

    private static Explanation Explain(string from, string to, int port)
    {
        var explainer = new Explainer(new PolicyEvaluator(new World(World), Options), Options);
        Assert.True(explainer.TryFind(from, to, out var sender, out var problem), problem);
        Assert.True(explainer.TryFind(to, from, out var receiver, out problem), problem);
        return explainer.Explain(sender!, receiver!, new Probe(IpProtocol.Tcp, (ushort)port))!;
    }
}
