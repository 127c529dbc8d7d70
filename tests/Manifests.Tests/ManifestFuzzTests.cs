using System.Diagnostics;
using System.Text;
using CsCheck;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Whatever a file holds, reading it ends soon and in findings, never in an exception.</summary>
public class ManifestFuzzTests
{
    private static readonly string Corpus = Path.Combine(AppContext.BaseDirectory, "corpus");

    private static readonly string[] Words =
    [
        "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "spec", "status", "podSelector", "namespaceSelector",
        "matchLabels", "matchExpressions", "key", "operator", "values", "policyTypes", "ingress", "egress", "from", "to", "ports", "port", "endPort",
        "protocol", "ipBlock", "cidr", "except", "tier", "priority", "subject", "namespaces", "pods", "nodes", "networks", "domainNames", "action",
        "protocols", "tcp", "destinationPort", "number", "range", "start", "end", "destinationNamedPort", "containers", "containerPort", "podIPs",
        "ip", "phase", "addresses", "interface", "side", "clusterIP", "selector", "targetPort", "items", "<<", "portcullis.dev/mode",
    ];

    private static readonly string[] Scalars =
    [
        "v1", "networking.k8s.io/v1", "policy.networking.k8s.io/v1alpha2", "portcullis.dev/v1alpha1", "List", "Namespace", "Pod", "Service", "Node",
        "NetworkPolicy", "ClusterNetworkPolicy", "Workload", "PodList", "default", "x", "", "In", "Exists", "Ingress", "Egress", "TCP", "Accept",
        "Deny", "Admin", "10.0.0.0/8", "10.0.0.1/8", "::/0", "fd00::1", "10.0.0.1", "80", "-1", "99999999999999999999999", "1e400", "0x", "true", "null",
        "~", "y", ".nan", "http", "audit", "*.example.com", "2026-01-01T00:00:00Z", "\u2028", "\ufeff", "\ud83d\ude00",
    ];

    private static readonly string[] Fragments =
    [
        "---\n", "...\n", "- ", "? ", ": ", "[", "]", "{", "}", "&a ", "*a", "<<: *a", "!!str ", "!x ", "|\n", ">-\n", "\"", "'", "#", "\t", "\r\n", "\n", "  ",
        "%YAML 1.1\n", "%TAG ! x\n", "\0", "\u0085", "\\u0000", "\\ud800", ",", "@", "`", "\ufeff",
    ];

    private static readonly Gen<string> Json = Tree(4);

    private static readonly Gen<string> Structured = Gen.Select(Json, Gen.OneOf<string>("", "---\n", "- ", "a: "), (tree, head) => head + tree);

    private static readonly Gen<byte[]> Mutated = Gen.Select(
        Gen.OneOf<byte[]>([.. Directory.GetFiles(Corpus).Order(StringComparer.Ordinal).Select(File.ReadAllBytes)]),
        Gen.Select(Gen.Int[0, 6], Gen.Int[0, 100_000], Gen.Int[0, 100_000], Gen.OneOf<string>([.. Fragments, .. Words, .. Scalars])).Array[1, 12],
        Mutate);

    public static TheoryData<string> CorpusFiles => [.. Directory.GetFiles(Corpus).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(CorpusFiles))]
    public void Corpus_File_EndsInFindings(string file) => Judge(File.ReadAllBytes(Path.Combine(Corpus, file)), file);

    [Fact]
    public void Anything_Mutated_EndsInFindings() =>
        Mutated.Sample(content => JudgeBoth(content), time: LongRun.FuzzSeconds, threads: 1, print: Print);

    [Fact]
    public void Anything_Structured_EndsInFindings() =>
        Structured.Sample(text => JudgeBoth(Encoding.UTF8.GetBytes(text)), time: LongRun.FuzzSeconds, threads: 1);

    private static void JudgeBoth(byte[] content)
    {
        Judge(content, "f.yaml");
        Judge(content, "f.json");
    }

    private static void Judge(byte[] content, string file)
    {
        var clock = Stopwatch.StartNew();
        var trees = new PolicyTrees();
        var read = ManifestReader.Read(content, file, trees);
        var lint = PolicyLint.Check(read.Resources, trees.Find);

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"took {clock.Elapsed}");
        var lines = 1 + content.Count(value => value is (byte)'\n' or (byte)'\r') + content.Count(value => value is 0x85 or 0xa8 or 0xa9);
        Assert.All(read.Findings.Concat(lint), finding =>
        {
            Assert.InRange(finding.Position.Line, 1, lines);
            Assert.True(finding.Position.Column >= 1, $"column of {finding}");
            Assert.DoesNotContain(finding.ToString(), char.IsControl);
        });
        Assert.Equal(read.Resources.Length, read.Resources.Select(resource => resource.Key).Distinct().Count());
        Assert.True(read.Complete || read.Findings.Any(finding => finding.Severity == FindingSeverity.Error), "incomplete without an error");
        Assert.All(read.Resources, IsSound);
    }

    private static void IsSound(Resource resource)
    {
        Assert.NotEmpty(resource.Name);
        Assert.True(resource.Position.Line > 0);
        if (resource is NetworkPolicy { Defect: not null } closed)
        {
            Assert.NotEqual(PolicyTypes.None, closed.Types);
            Assert.True(closed.Ingress.IsEmpty && closed.Egress.IsEmpty, "a defective policy has rules");
        }
        else if (resource is NetworkPolicy policy)
        {
            Assert.All(policy.Ingress.Concat(policy.Egress).SelectMany(rule => rule.Peers), peer =>
                Assert.True(peer.IpBlock is null != (peer.PodSelector is null && peer.NamespaceSelector is null)));
        }
        else if (resource is ClusterNetworkPolicy cluster)
        {
            Assert.All(cluster.Ingress.Concat(cluster.Egress), rule =>
                Assert.True(rule.Defect is not null || (cluster.Defect is null && !rule.Peers.IsEmpty && rule.Ports is not { IsEmpty: true })));
        }
    }

    private static Gen<string> Tree(int depth)
    {
        var scalar = Gen.OneOf<string>(Scalars).SelectMany(text => Gen.OneOf<string>(text, Quoted(text)));
        if (depth == 0)
        {
            return scalar;
        }

        var child = Tree(depth - 1);
        var list = child.Array[0, 4].Select(items => $"[{string.Join(", ", items)}]");
        var pairs = Gen.Select(Gen.OneOf<string>(Words), child, (key, value) => $"{Quoted(key)}: {value}").Array[0, 6];
        var mapping = pairs.Select(items => $"{{{string.Join(", ", items)}}}");
        var likely = Gen.Select(Gen.Int[0, 6], pairs, (kind, items) => Likely(kind, string.Join(", ", items)));
        return Gen.Frequency((2, scalar), (2, list), (3, mapping), (3, likely));
    }

    private static string Likely(int kind, string members)
    {
        var (apiVersion, name) = kind switch
        {
            0 => ("networking.k8s.io/v1", "NetworkPolicy"),
            1 => ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
            2 => ("portcullis.dev/v1alpha1", "Workload"),
            3 => ("v1", "Pod"),
            4 => ("v1", "Service"),
            5 => ("v1", "Node"),
            _ => ("v1", "List"),
        };
        return $$"""{"apiVersion": "{{apiVersion}}", "kind": "{{name}}", "metadata": {"name": "x"}, "items": [], "spec": { {{members}} } }""";
    }

    private static string Quoted(string text) => System.Text.Json.JsonSerializer.Serialize(text);

    private static byte[] Mutate(byte[] seed, (int Kind, int At, int Length, string Text)[] mutations)
    {
        var content = seed.ToList();
        foreach (var (kind, at, length, text) in mutations)
        {
            var start = content.Count == 0 ? 0 : at % content.Count;
            var count = Math.Min(length % 64, content.Count - start);
            switch (kind)
            {
                case 0:
                    content.RemoveRange(start, count);
                    break;
                case 1:
                    content.InsertRange(start, content.GetRange(start, count));
                    break;
                case 2 when content.Count > 0:
                    content[start] ^= (byte)(1 << (length % 8));
                    break;
                case 3 when content.Count > 0:
                    content[start] = (byte)length;
                    break;
                case 4:
                    content.InsertRange(start, Enumerable.Repeat(Encoding.UTF8.GetBytes(text), length % 200).SelectMany(bytes => bytes));
                    break;
                default:
                    content.InsertRange(start, Encoding.UTF8.GetBytes(text));
                    break;
            }
        }

        return [.. content];
    }

    private static string Print(byte[] content) => Convert.ToBase64String(content);
}
