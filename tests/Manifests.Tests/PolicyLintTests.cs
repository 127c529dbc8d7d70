using System.Diagnostics;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class PolicyLintTests
{
    private const string World = """
        apiVersion: v1
        kind: Pod
        metadata: { name: web, namespace: prod, labels: { app: web } }
        spec: { containers: [ { ports: [ { name: http, containerPort: 80 } ] } ] }
        status: { podIP: 10.0.0.1 }
        ---
        apiVersion: v1
        kind: Pod
        metadata: { name: db, namespace: data, labels: { app: db } }
        status: { podIP: 10.0.0.2 }
        ---
        apiVersion: v1
        kind: Pod
        metadata: { name: host, namespace: data, labels: { app: host } }
        spec: { hostNetwork: true }
        ---

        """;

    [Theory]
    [InlineData("prod", "podSelector: { matchLabels: { app: web } }, ingress: [ { from: [ { podSelector: {} } ], ports: [ { port: http } ] } ]", "")]
    [InlineData("prod", "podSelector: { matchLabels: { app: wep } }", "spec.podSelector: selects no pod; no pod has app=wep; did you mean web?")]
    [InlineData("prod", "podSelector: { matchLabels: { apps: web } }", "spec.podSelector: selects no pod; no pod has a label apps; did you mean app?")]
    [InlineData("prod", "podSelector: { matchLabels: { app: db } }", "spec.podSelector: selects no pod")]
    [InlineData("data", "podSelector: { matchLabels: { app: host } }", "spec.podSelector: selects no pod")]
    [InlineData("prd", "podSelector: {}", "metadata.namespace: no other object is in namespace prd; did you mean prod?")]
    [InlineData("prod", "ingress: [ {}, { from: [ { ipBlock: { cidr: 10.0.0.0/8 } }, { podSelector: { matchLabels: { app: db } } } ] } ]", "spec.ingress[1].from[1]: selects no pod")]
    [InlineData("prod", "ingress: [ { from: [ { namespaceSelector: { matchLabels: { kubernetes.io/metadata.name: data } } } ] } ]", "")]
    [InlineData("prod", "ingress: [ { from: [ { namespaceSelector: { matchLabels: { team: x } } } ] } ]", "spec.ingress[0].from[0]: selects no pod")]
    [InlineData("prod", "ingress: [ { ports: [ { port: https } ] } ]", "spec.ingress[0].ports[0].port: none of the selected pods serves https/TCP; did you mean http?")]
    [InlineData("prod", "podSelector: { matchLabels: { app: web } }, ingress: [ { from: [ { podSelector: {} } ], ports: [ { port: https } ] } ]", "spec.ingress[0].ports[0].port: none of the selected pods serves https/TCP; did you mean http?")]
    [InlineData("prod", "ingress: [ { ports: [ { port: http, protocol: UDP } ] } ]", "none of the selected pods serves http/UDP")]
    [InlineData("prod", "egress: [ { ports: [ { port: http } ] } ]", "")]
    [InlineData("prod", "egress: [ { to: [ { namespaceSelector: {}, podSelector: { matchLabels: { app: db } } } ], ports: [ { port: http } ] } ]", "spec.egress[0].ports[0].port: none of the peers serves http/TCP")]
    public void NetworkPolicy_InAWorld_IsJudged(string space, string spec, string message)
    {
        var findings = Lint($"{World}apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: x, namespace: {space} }}\nspec: {{ {spec} }}");

        if (message.Length == 0)
        {
            Assert.Empty(findings);
        }
        else
        {
            var finding = Assert.Single(findings);
            Assert.Contains(message, finding.Message, StringComparison.Ordinal);
            Assert.Equal(FindingSeverity.Warning, finding.Severity);
            Assert.Equal($"NetworkPolicy {space}/x", finding.Object);
            Assert.True(finding.Position.Line >= 17);
        }
    }

    [Fact]
    public void NetworkPolicy_WithoutAnyWorkload_IsNotJudged() => Assert.Empty(Lint(Reading.Policy("podSelector: { matchLabels: { app: x } }")));

    [Fact]
    public void NetworkPolicy_OfANamespaceThatIsNotThere_IsAWarningWithoutWorkloads()
    {
        var finding = Assert.Single(Lint("apiVersion: v1\nkind: Namespace\nmetadata: { name: prod }\n---\n"
            + "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: { name: x, namespace: prd }\nspec: { podSelector: {} }"));

        Assert.Equal("metadata.namespace: no other object is in namespace prd; did you mean prod?", finding.Message);
    }

    [Theory]
    [InlineData("subject: { namespaces: { matchLabels: { a: b } } }", "spec.subject: selects no pod")]
    [InlineData("subject: { namespaces: {} }\ningress: [ { action: Deny, from: [ { pods: { podSelector: { matchLabels: { a: b } } } } ] } ]", "spec.ingress[0].from[0]: selects no pod")]
    [InlineData("subject: { namespaces: {} }\negress: [ { action: Deny, to: [ { namespaces: {} } ], protocols: [ { destinationNamedPort: htp } ] } ]", "no destination serves the port name htp; did you mean http?")]
    [InlineData("subject: { namespaces: {} }\negress: [ { action: Deny, to: [ { namespaces: {} } ], protocols: [ { destinationNamedPort: http } ] } ]", "")]
    public void ClusterPolicy_InAWorld_IsJudged(string spec, string message)
    {
        var findings = Lint(World + Reading.ClusterPolicy("tier: Admin\npriority: 1\n" + spec));

        if (message.Length == 0)
        {
            Assert.Empty(findings);
        }
        else
        {
            Assert.Contains(message, Assert.Single(findings).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ClusterPolicies_OfEqualPriority_AreAWarning()
    {
        var policy = Reading.ClusterPolicy("tier: Admin\npriority: 1\nsubject: { namespaces: {} }");

        var finding = Assert.Single(Lint(policy + "---\n" + policy.Replace("name: c", "name: b", StringComparison.Ordinal)));
        Assert.Equal("ClusterNetworkPolicy c", finding.Object);
        Assert.Contains("also that of b", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Workloads_WithOneAddress_AreAWarning()
    {
        var pod = Reading.Pod("status: { podIP: 10.0.0.1 }");

        Assert.Contains("10.0.0.1 is also an address of ns/p", Assert.Single(Lint(pod + "---\n" + pod.Replace("name: p,", "name: q,", StringComparison.Ordinal))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NetworkPolicy_OfNobodyWithAPortNobodyServes_IsTwoWarnings()
    {
        var findings = Lint(World + Reading.Policy("podSelector: { matchLabels: { app: none } }\ningress: [ { ports: [ { port: https } ] } ]\negress: [ { ports: [ { port: http } ] } ]"));

        Assert.Equal(
            ["spec.podSelector: selects no pod; no pod has app=none", "spec.ingress[0].ports[0].port: none of the pods there are serves https/TCP; did you mean http?"],
            findings.Select(finding => finding.Message));
    }

    [Fact]
    public void Set_LintFindings_StandWhereTheirFieldsStand()
    {
        const string Policies = """
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: { name: x, namespace: prod }
            spec:
              podSelector:
                matchLabels: { app: none }
              ingress:
              - {}
              - from:
                - podSelector: {}
                - podSelector: { matchLabels: { app: nobody } }
                ports:
                - port: 80
                - protocol: TCP
                  port: https
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: y
              namespace: nowhere
            spec: { podSelector: {} }
            ---
            apiVersion: policy.networking.k8s.io/v1alpha2
            kind: ClusterNetworkPolicy
            metadata: { name: c }
            spec:
              tier: Admin
              priority: 1
              subject:
                namespaces: {}
              egress:
              - action: Deny
                to:
                - namespaces: {}
                protocols:
                - destinationNamedPort: https

            """;
        using var folder = new TemporaryFolder();
        var world = folder.Write("world.yaml", World);
        var policies = folder.Write("x.yaml", Policies);

        var findings = ManifestSet.Load([world, policies]).Findings;

        Assert.Equal(
            [(5, "spec.podSelector: "), (11, "spec.ingress[1].from[1]: "), (15, "spec.ingress[1].ports[1].port: "), (21, "metadata.namespace: "), (37, "spec.egress[0].protocols[0].destinationNamedPort: ")],
            findings.Select(finding => (finding.Position.Line, finding.Message[..(finding.Message.IndexOf(": ", StringComparison.Ordinal) + 2)])));
        Assert.All(findings, finding => Assert.Equal(policies, finding.Position.File));
    }

    [Fact]
    public void Check_ManyMistakesAmongManyPods_StaysQuick()
    {
        const int Mistakes = 20_000;
        var pods = Enumerable.Range(0, 50_000).Select(i => new Workload
        {
            Namespace = $"n{i % 100}",
            Name = $"p{i}",
            Labels = LabelSet.Of(("app", $"application-{i}")),
        });
        var policies = Enumerable.Range(0, Mistakes).Select(i => new NetworkPolicy
        {
            Namespace = $"n{i % 100}",
            Name = $"q{i}",
            PodSelector = new LabelSelector([new LabelRequirement("app", LabelOperator.In, [$"missing-{i}"])]),
            Ingress = [new NetworkPolicyRule([], [new NetworkPolicyPort(IpProtocol.Tcp, "nobody", null)])],
        });
        var clock = Stopwatch.StartNew();

        var findings = PolicyLint.Check([.. pods, .. policies], (_, _) => default);

        Assert.Equal(2 * Mistakes, findings.Count);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"took {clock.Elapsed}");
    }

    [Fact]
    public void Set_WithAnObjectTwiceInOneFile_HasDuplicates()
    {
        using var folder = new TemporaryFolder();
        var once = folder.Write("once.yaml", Reading.Policy("podSelector: {}"));
        var twice = folder.Write("twice.yaml", Reading.Pod("spec: {}") + "---\n" + Reading.Pod("spec: {}"));

        Assert.False(ManifestSet.Load([once]).HasDuplicates);
        Assert.True(ManifestSet.Load([twice]).HasDuplicates);
    }

    [Fact]
    public void Set_OfFilesAndFolders_IsReadInOrder()
    {
        var folder = Directory.CreateTempSubdirectory("pclint-");
        try
        {
            File.WriteAllText(Path.Combine(folder.FullName, "b.yaml"), Reading.Policy("podSelector: {}"));
            File.WriteAllText(Path.Combine(folder.FullName, "a.yml"), "apiVersion: v1\nkind: Namespace\nmetadata: { name: one }");
            File.WriteAllText(Path.Combine(folder.FullName, "c.txt"), "ignored: [");
            Directory.CreateDirectory(Path.Combine(folder.FullName, "sub.yaml"));
            var extra = Path.Combine(folder.FullName, "c.txt");
            File.WriteAllText(extra, Reading.Policy("podSelector: {}"));

            var set = ManifestSet.Load([folder.FullName, Path.Combine(folder.FullName, "a.yml"), extra, Path.Combine(folder.FullName, "none.yaml")]);

            Assert.Equal(["one", "x"], set.Resources.Select(resource => resource.Name));
            Assert.Equal(Path.Combine(folder.FullName, "b.yaml"), set.Resources[1].Position.File);
            Assert.Equal(2, set.Findings.Length);
            Assert.Contains(set.Findings, finding => finding.Position.File!.EndsWith("none.yaml", StringComparison.Ordinal));
            Assert.Contains(set.Findings, finding => finding.Position.File == extra && finding.Message.StartsWith("given twice", StringComparison.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Set_WithADevice_ReportsItAndDoesNotReadIt()
    {
        var folder = Directory.CreateTempSubdirectory("pclint-");
        try
        {
            var device = Path.Combine(folder.FullName, "zero.yaml");
            File.CreateSymbolicLink(device, "/dev/zero");

            var finding = Assert.Single(ManifestSet.Load([folder.FullName]).Findings);

            Assert.Equal(new Finding(FindingSeverity.Error, new SourcePosition(device, 0), "", "is no regular file; name a file or a folder"), finding);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static IReadOnlyList<Finding> Lint(string text)
    {
        var read = Reading.Of(text);
        Assert.Empty(read.Findings);
        return PolicyLint.Check(read.Resources, (_, _) => default);
    }
}
