using System.Collections;
using System.Text.Json;
using Portcullis.Host.Commands;
using Xunit;

namespace Portcullis.Host.Tests;

/// <summary>The command line over manifests, as a user sees it.</summary>
public sealed class CommandLineTests
{
    private const string World = """
        apiVersion: v1
        kind: Pod
        metadata: { name: web, namespace: default }
        spec: { nodeName: far }
        status: { podIP: 10.0.0.1 }
        ---
        apiVersion: v1
        kind: Node
        metadata: { name: far }
        status: { addresses: [ { type: InternalIP, address: 192.0.2.1 } ] }
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { name: none }
        spec: { podSelector: {} }
        """;

    [Fact]
    public async Task Output_OfAnUnknownFormat_NamesTheFormats()
    {
        var (code, output, error) = await RunAsync("check", "-o", "yaml", "/tmp");

        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.Contains("'json'", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Portcullis.Host", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Path_WithALineBreak_IsReportedInOneLine()
    {
        var (code, _, error) = await RunAsync("check", "/no\nwhere");

        Assert.Equal((2, "portcullis: /no where: no such file or folder\n"), (code, error));
    }

    [Theory]
    [InlineData("node", "default/web", 0)]
    [InlineData("default/web", "node", 0)]
    [InlineData("node", "10.0.0.1", 0)]
    [InlineData("192.0.2.2", "default/web", 1)]
    [InlineData("node", "192.0.2.9", 2)]
    public async Task Explain_Node_WhereThisNodeIsUnknown_IsTheOtherEndsOwn(string from, string to, int expected)
    {
        using var file = new TemporaryManifest(World);

        var (code, _, error) = await RunAsync("explain", "--from", from, "--to", to, "--port", "80", "--set", "node.name=here", file.Path);

        Assert.True(code == expected, error);
    }

    [Fact]
    public async Task Demo_MisspeltSetting_IsRefusedBeforeAnythingIsMade()
    {
        var (code, output, error) = await RunAsync("demo", "--set", "datapath.plugn=ebpf");

        Assert.Equal((2, string.Empty), (code, output));
        Assert.Contains("datapath.plugn: unknown key", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Explain_AsJson_NamesRuleFileAndLineOfEachDirection()
    {
        using var file = new TemporaryManifest("""
            apiVersion: portcullis.dev/v1alpha1
            kind: Workload
            metadata: { name: a }
            spec: { addresses: [10.0.0.1, "fd00::1"] }
            ---
            apiVersion: portcullis.dev/v1alpha1
            kind: Workload
            metadata: { name: b }
            spec: { addresses: [10.0.0.2, "fd00::2"] }
            ---
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: { name: p }
            spec:
              podSelector: {}
              ingress:
              - from: [ { ipBlock: { cidr: 192.0.2.0/24 } } ]
              - from: [ { ipBlock: { cidr: 10.0.0.0/8 } } ]

            """);

        var (code, output, _) = await RunAsync("explain", "--from", "10.0.0.1", "--to", "default/b", "--port", "80/TCP", "-o", "json", file.Path);
        using var allowed = JsonDocument.Parse(output);

        Assert.Equal(0, code);
        Assert.True(allowed.RootElement.GetProperty("allowed").GetBoolean());
        Assert.Equal(JsonValueKind.Null, allowed.RootElement.GetProperty("egress").GetProperty("decidedBy").ValueKind);
        var rule = allowed.RootElement.GetProperty("ingress").GetProperty("decidedBy");
        Assert.Equal(
            ("NetworkPolicy", "default", "p", 1, file.Path, 18),
            (rule.GetProperty("kind").GetString(), rule.GetProperty("namespace").GetString(), rule.GetProperty("name").GetString(),
                rule.GetProperty("rule").GetInt32(), rule.GetProperty("file").GetString(), rule.GetProperty("line").GetInt32()));

        (code, output, _) = await RunAsync("explain", "--from", "default/a", "--to", "default/b", "--port", "80/TCP", "-o", "json", file.Path);
        using var denied = JsonDocument.Parse(output);

        Assert.Equal(1, code);
        var isolation = denied.RootElement.GetProperty("ingress").GetProperty("decidedBy");
        Assert.Equal(JsonValueKind.Null, isolation.GetProperty("rule").ValueKind);
        Assert.Equal(11, isolation.GetProperty("line").GetInt32());
    }

    [Fact]
    public async Task Matrix_AsJson_HasAProbeForEachPairPortAndFamily()
    {
        using var file = new TemporaryManifest(World);

        var (code, output, _) = await RunAsync("matrix", file.Path, "--port", "80/TCP", "--port", "53/UDP", "-o", "json");

        Assert.Equal(
            (0, """
            {"probes":[{"from":"default/web","to":"default/web","protocol":"TCP","port":80,"family":"IPv4","allowed":true},{"from":"default/web","to":"default/web","protocol":"UDP","port":53,"family":"IPv4","allowed":true}]}

            """),
            (code, output));
    }

    [Theory]
    [InlineData("matrix")]
    [InlineData("explain", "--from", "default/web", "--to", "default/web", "--port", "80")]
    public async Task Judging_AnObjectTwiceInOneFile_IsAnError(params string[] command)
    {
        using var file = new TemporaryManifest(World + "\n---\n" + World);

        var (code, output, error) = await RunAsync([.. command, file.Path]);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("an object is given twice", error, StringComparison.Ordinal);
        Assert.Contains($"{file.Path}:28: error: NetworkPolicy default/none: given twice", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_WithFindings_AnswersNoAndNamesThem()
    {
        using var file = new TemporaryManifest(World.Replace("podSelector", "podSelecter", StringComparison.Ordinal));

        var (code, output, _) = await RunAsync("check", file.Path, "-o", "json");
        using var answer = JsonDocument.Parse(output);

        Assert.Equal(1, code);
        var finding = Assert.Single(answer.RootElement.GetProperty("findings").EnumerateArray().ToList());
        Assert.Equal("error", finding.GetProperty("severity").GetString());
        Assert.Equal("NetworkPolicy default/none", finding.GetProperty("object").GetString());
        Assert.Equal(file.Path, finding.GetProperty("file").GetString());

        (code, output, _) = await RunAsync("check", file.Path);
        Assert.Equal((1, $"{file.Path}:{finding.GetProperty("line")}: error: NetworkPolicy default/none: {finding.GetProperty("message").GetString()}\n"), (code, output));
    }

    private static async Task<(int Code, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await CommandLine.InvokeAsync(arguments, output, error, new Hashtable());
        return (code, $"{output}", $"{error}");
    }

    private sealed class TemporaryManifest : IDisposable
    {
        public TemporaryManifest(string text) => File.WriteAllText(Path, text);

        public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"pccli-{Guid.NewGuid():N}.yaml");

        public void Dispose() => File.Delete(Path);
    }
}
