using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class WorkloadReaderTests
{
    [Fact]
    public void Pod_WithEverything_IsRead()
    {
        var pod = Reading.Clean<Workload>("""
            apiVersion: v1
            kind: Pod
            metadata:
              name: p
              namespace: ns
              uid: u
              labels: { app: web }
              creationTimestamp: "2026-01-02T03:04:05Z"
              annotations: { portcullis.dev/interface: veth-p, other: "1" }
            spec:
              nodeName: node-1
              hostNetwork: false
              volumes: [ { name: v } ]
              initContainers:
              - { name: init, ports: [ { name: early, containerPort: 1 } ] }
              - { name: side, restartPolicy: Always, ports: [ { name: side, containerPort: 2, protocol: UDP } ] }
              containers:
              - name: main
                image: x
                ports: [ { name: http, containerPort: 80, hostPort: 8080 }, { containerPort: 81 }, { name: http, containerPort: 82 } ]
            status:
              phase: Running
              hostIP: 10.9.9.9
              podIP: 10.0.0.1
              podIPs: [ { ip: 10.0.0.1 }, { ip: "fd00::1" } ]
              conditions: [ { type: Ready, status: "True" } ]
            """);

        Assert.Equal(
            new Workload
            {
                Name = "p",
                Namespace = "ns",
                Uid = "u",
                Position = new SourcePosition(Reading.File, 1, 1),
                Labels = LabelSet.Of(("app", "web")),
                Addresses = [IpAddress.Parse("10.0.0.1"), IpAddress.Parse("fd00::1")],
                Ports = [new("http", IpProtocol.Tcp, 80), new("http", IpProtocol.Tcp, 82), new("side", IpProtocol.Udp, 2)],
                NodeName = "node-1",
                CreatedAt = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
                Interface = "veth-p",
            },
            pod);
    }

    [Theory]
    [InlineData("apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec: { containers: [ { ports: [ { containerPort: 0 } ] } ] }\nstatus: { phase: Done, podIP: x }")]
    [InlineData("apiVersion: portcullis.dev/v1alpha1\nkind: Workload\nmetadata: { name: p }\nspec: { side: inside, addresses: [ x ], ports: [ { port: 0 } ] }")]
    public void Workload_WithSeveralErrors_HasAFindingForEach(string text) => Assert.Equal(3, Reading.Of(text).Findings.Length);

    [Theory]
    [InlineData("status: { phase: Succeeded }", true, true)]
    [InlineData("status: { phase: Failed }", true, true)]
    [InlineData("status: { phase: Pending }", false, true)]
    [InlineData("status: { conditions: [ { type: Ready, status: \"False\" } ] }", false, false)]
    [InlineData("status: { conditions: [ { type: Ready, status: Unknown } ] }", false, true)]
    [InlineData("status: { conditions: [ { type: Initialized, status: \"False\" } ] }", false, true)]
    [InlineData("spec: {}", false, true)]
    public void Pod_Status_DecidesFinishedAndReady(string rest, bool finished, bool ready)
    {
        var pod = Reading.Clean<Workload>(Reading.Pod(rest));

        Assert.Equal((finished, ready), (pod.Finished, pod.Ready));
    }

    [Fact]
    public void Pod_Terminating_IsNotReadyButNotFinished()
    {
        var pod = Reading.Clean<Workload>("apiVersion: v1\nkind: Pod\nmetadata: { name: p, deletionTimestamp: 2026-01-01T00:00:00Z }\nstatus: { podIP: 10.0.0.1 }");

        Assert.Equal((false, false), (pod.Finished, pod.Ready));
        Assert.Single(pod.Addresses);
    }

    [Fact]
    public void Pod_HostNetwork_IsMarked() => Assert.True(Reading.Clean<Workload>(Reading.Pod("spec: { hostNetwork: true }")).HostNetwork);

    [Theory]
    [InlineData("status: { podIP: 10.0.0.300, podIPs: [ { ip: 10.0.0.1 } ] }", "status.podIP")]
    [InlineData("status: { podIPs: [ { ip: 10.0.0.1 }, 3 ] }", "status.podIPs[1]")]
    [InlineData("status: { podIP: 10.0.0.1 }\nspec: { containers: [ { ports: [ { name: UP, containerPort: 1 } ] } ] }", "spec.containers[0].ports[0].name")]
    [InlineData("status: { podIP: 10.0.0.1 }\nspec: { containers: [ { ports: [ { name: a } ] } ] }", "spec.containers[0].ports[0].containerPort")]
    [InlineData("status: { podIP: 10.0.0.1 }\nspec: { hostNetwrok: true }", "spec.hostNetwrok")]
    public void Pod_WithUnreadablePart_StaysWithTheRest(string rest, string path)
    {
        var read = Reading.Of(Reading.Pod(rest));

        Assert.StartsWith(path, Assert.Single(read.Findings).Message, StringComparison.Ordinal);
        Assert.Equal([IpAddress.Parse("10.0.0.1")], Assert.IsType<Workload>(Assert.Single(read.Resources)).Addresses);
    }

    [Fact]
    public void Pod_WithBadLabels_KeepsThemAsText()
    {
        var read = Reading.Of("apiVersion: v1\nkind: Pod\nmetadata: { name: p, labels: { a: 1, b: yes, c: \"x x\", d: [] } }");

        Assert.Equal(4, read.Findings.Count(finding => finding.Severity == FindingSeverity.Error));
        Assert.Equal(LabelSet.Of(("a", "1"), ("b", "yes"), ("c", "x x"), ("d", "")), Assert.IsType<Workload>(read.Resources[0]).Labels);
    }

    [Theory]
    [InlineData("spec: { hostNetwork: \"true\" }")]
    [InlineData("spec: { nodeName: [] }")]
    [InlineData("status: { phase: Done }")]
    [InlineData("spec: 1")]
    public void Pod_WhoseRoleIsUnreadable_IsDroppedAndTheFileIsIncomplete(string rest)
    {
        var read = Reading.Of(Reading.Pod(rest));

        Assert.Empty(read.Resources);
        Assert.False(read.Complete);
        Assert.Single(read.Findings);
    }

    [Fact]
    public void Workload_WithEverything_IsRead()
    {
        var workload = Reading.Clean<Workload>("""
            apiVersion: portcullis.dev/v1alpha1
            kind: Workload
            metadata: { namespace: default, name: web, labels: { app: web } }
            spec:
              interface: eth0
              side: self
              addresses: [10.9.0.2, "fd00:9::2"]
              ports: [ { name: http, port: 80, protocol: TCP }, { name: dns, port: 53, protocol: UDP } ]
            """);

        Assert.Equal(("eth0", InterfaceSide.Self), (workload.Interface, workload.Side));
        Assert.Equal(2, workload.Addresses.Count);
        Assert.Equal([new("http", IpProtocol.Tcp, 80), new("dns", IpProtocol.Udp, 53)], workload.Ports);
    }

    [Theory]
    [InlineData("interface: a/b", "spec.interface: \"a/b\" is no interface name")]
    [InlineData("interface: this-name-is-too-long", "is no interface name")]
    [InlineData("side: inside", "\"inside\" is not one of peer, self")]
    public void Workload_WhoseInterfaceIsUnreadable_IsDropped(string spec, string message)
    {
        var read = Reading.Of($"apiVersion: portcullis.dev/v1alpha1\nkind: Workload\nmetadata: {{ name: w }}\nspec:\n  addresses: [10.0.0.1]\n  {spec}\n");

        Assert.Contains(message, Assert.Single(read.Findings).Message, StringComparison.Ordinal);
        Assert.Empty(read.Resources);
    }

    [Fact]
    public void Workload_UnknownField_IsAnErrorWithASuggestion()
    {
        var read = Reading.Of("apiVersion: portcullis.dev/v1alpha1\nkind: Workload\nmetadata: { name: w }\nspec: { adresses: [10.0.0.1] }\n");

        Assert.Contains(read.Findings, finding => finding.Message == "spec.adresses: unknown field; did you mean addresses?");
    }
}
