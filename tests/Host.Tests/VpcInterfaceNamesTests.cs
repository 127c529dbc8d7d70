using System.Collections.Immutable;
using Portcullis.Host.Enforcement;
using Portcullis.Net;
using Portcullis.Policy;
using Portcullis.Policy.Compiler;
using Portcullis.Resources;
using Portcullis.Rules;
using Portcullis.Sources;
using Xunit;

namespace Portcullis.Host.Tests;

/// <summary>Interfaces that tell their pod by name, as the VPC CNI makes them.</summary>
public sealed class VpcInterfaceNamesTests
{
    private static readonly NetworkPolicy DenyAll = new() { Namespace = "default", Name = "deny" };

    [Theory]
    [InlineData("eni68caf03a5f4")]
    [InlineData("vlan68caf03a5f4")]
    public void Pod_ScheduledHereWithoutAddress_IsPolicedByItsInterfacesName(string name)
    {
        var endpoint = Assert.Single(Resolve(Pod("node"), (name, 7)));

        Assert.Equal((new Link(name, 7), true), (endpoint.Link!.Value, endpoint.Ingress is not null));
        Assert.Empty(endpoint.Addresses);
    }

    [Fact]
    public void Pod_ScheduledHereWithoutInterface_AwaitsItUnderBothNames()
    {
        var endpoint = Assert.Single(Resolve(Pod("node")));

        Assert.Null(endpoint.Link);
        Assert.Equal(["eni68caf03a5f4", "vlan68caf03a5f4"], endpoint.AwaitedInterfaces);
    }

    [Fact]
    public void Pod_WithoutInterface_AwaitsTheOneItNames() =>
        Assert.Equal(["tap3"], Assert.Single(Resolve(Pod("node") with { Interface = "tap3" })).AwaitedInterfaces);

    [Fact]
    public void Pod_WithAnAddressAndNoInterface_AwaitsNone() =>
        Assert.Empty(Assert.Single(Resolve(Pod("node") with { Addresses = [IpAddress.Parse("10.0.0.7")] })).AwaitedInterfaces);

    [Fact]
    public void Pod_WithInterface_AwaitsNone() => Assert.Empty(Assert.Single(Resolve(Pod("node"), ("eni68caf03a5f4", 7))).AwaitedInterfaces);

    [Fact]
    public void Pod_WithFurtherInterfaces_IsPolicedOnEach()
    {
        var endpoints = Resolve(Pod("node"), ("eni68caf03a5f4", 7), ("eni24175d5a8ef", 8));

        Assert.Equal([7, 8], endpoints.Select(endpoint => endpoint.Link!.Value.Index).Order());
        Assert.Single(endpoints.Select(endpoint => endpoint.Ingress).Distinct());
    }

    [Theory]
    [InlineData("other-node")]
    [InlineData(null)]
    public void Pod_NotScheduledHereAndWithoutAddress_IsNoEndpoint(string? node) => Assert.Empty(Resolve(Pod(node), ("eni68caf03a5f4", 7)));

    [Fact]
    public void Pod_ThatIsStarting_IsNoProblem()
    {
        var resolver = new EndpointResolver([]);
        resolver.Resolve(Compile(Pod("node")), LoopFixture.Links());

        Assert.Empty(resolver.Problems);
    }

    private static Workload Pod(string? node) => new() { Namespace = "default", Name = "web", NodeName = node };

    private static ChangeSet Compile(Workload pod)
    {
        var compiler = new PolicyCompiler(new PolicyOptions { NodeName = "node", NodeAddresses = [IpAddress.Parse("10.0.0.1")] });
        compiler.Apply([ResourceChange.Upsert(pod), ResourceChange.Upsert(DenyAll)]);
        return compiler.Flush(1);
    }

    private static ImmutableArray<Endpoint> Resolve(Workload pod, params (string Name, int Index)[] links) =>
        new EndpointResolver([]).Resolve(Compile(pod), LoopFixture.Links(links)).Endpoints;
}
