using System.Collections;
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
