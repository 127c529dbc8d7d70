using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Benchmarks.Compile;

/// <summary>A cluster of many namespaces with four pods and three policies each.</summary>
internal sealed class LargeWorld
{
    private const int PodsPerNamespace = 4;
    private const int Teams = 100;
    private static readonly string[] Apps = ["front", "back", "worker", "db"];

    public LargeWorld(int namespaces)
    {
        for (var i = 0; i < namespaces; i++)
        {
            AddNamespace(i);
        }
    }

    public List<Resource> Resources { get; } = [];

    public List<Workload> Pods { get; } = [];

    public List<NetworkPolicy> Policies { get; } = [];

    /// <summary>Labels with one requirement.</summary>
    public static LabelSelector Select(string key, string value) => new([new LabelRequirement(key, LabelOperator.In, [value])]);

    private void AddNamespace(int index)
    {
        var ns = $"namespace-{index}";
        Resources.Add(new Namespace { Name = ns, Labels = LabelSet.Of(("team", $"team-{index % Teams}"), ("environment", "production")) });
        for (var i = 0; i < PodsPerNamespace; i++)
        {
            AddPod(ns, (index * PodsPerNamespace) + i, Apps[i]);
        }

        AddPolicy(new NetworkPolicy { Namespace = ns, Name = "deny-all", Types = PolicyTypes.Ingress | PolicyTypes.Egress });
        AddPolicy(new NetworkPolicy
        {
            Namespace = ns,
            Name = "same-namespace",
            PodSelector = Select("app", "back"),
            Types = PolicyTypes.Ingress | PolicyTypes.Egress,
            Ingress = [new NetworkPolicyRule([Labelled("app", "front"), Labelled("app", "worker")], [new NetworkPolicyPort(IpProtocol.Tcp, "http", null)])],
            Egress = [new NetworkPolicyRule([Labelled("app", "db")], [new NetworkPolicyPort(IpProtocol.Tcp, (ushort)5432, null)])],
        });
        AddPolicy(new NetworkPolicy
        {
            Namespace = ns,
            Name = "team",
            PodSelector = Select("app", "front"),
            Types = PolicyTypes.Ingress | PolicyTypes.Egress,
            Ingress =
            [
                new NetworkPolicyRule(
                    [new NetworkPolicyPeer(Select("app", "front"), Select("team", $"team-{index % Teams}"), null)],
                    [new NetworkPolicyPort(IpProtocol.Tcp, (ushort)8080, null)]),
            ],
            Egress = [new NetworkPolicyRule([Internet], [new NetworkPolicyPort(IpProtocol.Tcp, (ushort)443, null)])],
        });
    }

    private static NetworkPolicyPeer Internet { get; } =
        new(null, null, new IpBlock(IpPrefix.Parse("0.0.0.0/0"), [IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("169.254.169.254/32")]));

    private static NetworkPolicyPeer Labelled(string key, string value) => new(Select(key, value), null, null);

    private void AddPod(string ns, int number, string app)
    {
        var pod = new Workload
        {
            Namespace = ns,
            Name = $"{app}-{number}",
            Labels = LabelSet.Of(("app", app), ("version", $"v{number % 3}"), ("pod-template-hash", $"{number / 2:x8}")),
            Addresses = [IpAddress.V4(0x0a000000u + (uint)number + 1)],
            Ports = [new NamedPort("http", IpProtocol.Tcp, 8080)],
            CreatedAt = DateTimeOffset.UnixEpoch.AddSeconds(number),
        };
        Pods.Add(pod);
        Resources.Add(pod);
    }

    private void AddPolicy(NetworkPolicy policy)
    {
        Policies.Add(policy);
        Resources.Add(policy);
    }
}
