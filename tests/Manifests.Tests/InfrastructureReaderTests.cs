using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class InfrastructureReaderTests
{
    [Fact]
    public void Service_WithEverything_IsRead()
    {
        var service = Reading.Clean<Service>("""
            apiVersion: v1
            kind: Service
            metadata: { name: s, namespace: ns }
            spec:
              type: NodePort
              clusterIP: 10.1.0.1
              clusterIPs: [10.1.0.1, "fd00::1"]
              selector: { app: web }
              externalIPs: [1.2.3.4]
              ports:
              - { port: 80, name: web }
              - { port: 81, targetPort: 8081, protocol: UDP, nodePort: 30000 }
              - { port: 82, targetPort: http }
              - { port: 83, targetPort: 0 }
            """);

        Assert.Equal([IpAddress.Parse("10.1.0.1"), IpAddress.Parse("fd00::1")], service.ClusterIps);
        Assert.Equal(
            [
                new ServicePort(IpProtocol.Tcp, 80, (ushort)80) { Name = "web" },
                new ServicePort(IpProtocol.Udp, 81, (ushort)8081),
                new ServicePort(IpProtocol.Tcp, 82, "http"),
                new ServicePort(IpProtocol.Tcp, 83, (ushort)83),
            ],
            service.Ports);
        Assert.Equal(LabelSet.Of(("app", "web")), service.Selector);
    }

    [Theory]
    [InlineData("clusterIP: None, selector: { a: b }")]
    [InlineData("type: ExternalName, externalName: example.com, clusterIP: 10.1.0.1")]
    [InlineData("clusterIP: \"\"")]
    [InlineData("selector: {}")]
    public void Service_WithoutClusterIp_HasNone(string spec) =>
        Assert.Empty(Reading.Clean<Service>($"apiVersion: v1\nkind: Service\nmetadata: {{ name: s }}\nspec: {{ {spec} }}").ClusterIps);

    [Fact]
    public void Service_WithoutSelector_HasNone() =>
        Assert.Null(Reading.Clean<Service>("apiVersion: v1\nkind: Service\nmetadata: { name: s }\nspec: { selector: {} }").Selector);

    [Theory]
    [InlineData("ports: [ { port: 0 } ]")]
    [InlineData("ports: [ { targetPort: 80 } ]")]
    [InlineData("ports: [ { port: 80, targetPort: \"80\" } ]")]
    [InlineData("clusterIP: 10.1")]
    [InlineData("selector: { a: 1 }")]
    [InlineData("type: Other")]
    [InlineData("slector: { a: b }")]
    public void Service_Rejected_IsDropped(string spec)
    {
        var read = Reading.Of($"apiVersion: v1\nkind: Service\nmetadata: {{ name: s }}\nspec: {{ {spec} }}");

        Assert.Empty(read.Resources);
        Assert.Single(read.Findings);
        Assert.False(read.Complete);
    }

    [Fact]
    public void EndpointSlice_WithEverything_IsRead()
    {
        var slice = Reading.Clean<EndpointSlice>("""
            apiVersion: discovery.k8s.io/v1
            kind: EndpointSlice
            metadata: { name: s-1, namespace: ns, labels: { kubernetes.io/service-name: s } }
            addressType: IPv4
            endpoints:
            - { addresses: [10.0.0.1, 10.0.0.9], conditions: { ready: true, serving: true, terminating: false }, nodeName: n, zone: z }
            - addresses: [10.0.0.2]
            - { addresses: [10.0.0.3], conditions: { ready: false } }
            - { addresses: [10.0.0.4], conditions: { terminating: true } }
            ports:
            - { name: https, port: 6443 }
            - { port: 53, protocol: UDP, appProtocol: dns }
            - { name: every }
            """);

        Assert.Equal(("ns", "s-1", "s"), (slice.Namespace, slice.Name, slice.Service));
        Assert.Equal([IpAddress.Parse("10.0.0.1"), IpAddress.Parse("10.0.0.2")], slice.Addresses);
        Assert.Equal([new NamedPort("https", IpProtocol.Tcp, 6443), new NamedPort("", IpProtocol.Udp, 53)], slice.Ports);
    }

    [Fact]
    public void EndpointSlice_OfNames_HasNoAddresses() => Assert.Empty(
        Reading.Clean<EndpointSlice>("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: s }\naddressType: FQDN\nendpoints: [ { addresses: [a.example] } ]").Addresses);

    [Theory]
    [InlineData("addressType: IPv4\nendpoints: [ { addresses: [nowhere] } ]")]
    [InlineData("addressType: IPv4\nendpoints: [ { addresses: [] } ]")]
    [InlineData("addressType: IPv4\nendpoints: [ { adresses: [10.0.0.1] } ]")]
    [InlineData("addressType: IPv4\nports: [ { port: 70000 } ]")]
    [InlineData("addressType: IPv5")]
    [InlineData("endpoints: []")]
    public void EndpointSlice_Rejected_IsDropped(string fields)
    {
        var read = Reading.Of($"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{ name: s }}\n{fields}");

        Assert.Empty(read.Resources);
        Assert.NotEmpty(read.Findings);
        Assert.False(read.Complete);
    }

    [Fact]
    public void Node_Addresses_AreTheIpsOfTheNode()
    {
        var node = Reading.Clean<Node>("""
            apiVersion: v1
            kind: Node
            metadata: { name: node-1, labels: { zone: a } }
            spec: { podCIDR: 10.0.0.0/24 }
            status:
              addresses:
              - { type: InternalIP, address: 192.168.0.1 }
              - { type: ExternalIP, address: "2001:db8::1" }
              - { type: InternalIP, address: not-an-ip }
              - { type: Hostname, address: 10.9.9.9 }
            """);

        Assert.Equal([IpAddress.Parse("192.168.0.1"), IpAddress.Parse("2001:db8::1"), IpAddress.Parse("10.9.9.9")], node.Addresses);
        Assert.Equal(LabelSet.Of(("zone", "a")), node.Labels);
    }

    [Theory]
    [InlineData("Namespace", "name: UPPER", "is no valid name")]
    [InlineData("Namespace", "name: a.b", "is no valid name")]
    [InlineData("Namespace", "name: a, namespace: b", "is cluster-scoped; remove the namespace")]
    [InlineData("Node", "name: a, labels: { \"/x\": b }", "label key: prefix must")]
    public void Metadata_Invalid_IsAnErrorAndTheObjectStays(string kind, string metadata, string message)
    {
        var read = Reading.Of($"apiVersion: v1\nkind: {kind}\nmetadata: {{ {metadata} }}");

        Assert.Contains(message, Assert.Single(read.Findings).Message, StringComparison.Ordinal);
        Assert.Single(read.Resources);
    }
}
