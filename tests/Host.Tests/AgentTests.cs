using System.Text.Json;
using Xunit;

namespace Portcullis.Host.Tests;

public sealed class AgentTests
{
    [Fact]
    public async Task Agent_Running_AnswersEveryCommandAndStopsOnSigterm()
    {
        await using var agent = new TestAgent();
        await agent.StartAsync();

        using var status = await JsonAsync(agent, "status", "-o", "json");
        Assert.True(status.RootElement.GetProperty("ready").GetBoolean());
        Assert.Equal(1, status.RootElement.GetProperty("appliedRevision").GetInt64());
        Assert.Equal("good", status.RootElement.GetProperty("datapath").GetProperty("plugin").GetString());
        Assert.True(status.RootElement.GetProperty("source").GetProperty("synced").GetBoolean());
        using var endpoints = await JsonAsync(agent, "endpoints", "-o", "json");
        Assert.Equal("hello", endpoints.RootElement.GetProperty("endpoints")[0].GetProperty("name").GetString());
        using var policies = await JsonAsync(agent, "policies", "-o", "json");
        Assert.Equal(0, policies.RootElement.GetProperty("policies").GetArrayLength());
        using var flow = await JsonAsync(agent, "flows", "--denied", "-o", "json");
        Assert.Equal("deny", flow.RootElement.GetProperty("verdict").GetString());
        Assert.Equal("hello", flow.RootElement.GetProperty("destination").GetProperty("name").GetString());
        using var explained = await JsonAsync(agent, "explain", "--from", "198.51.100.7", "--to", "default/hello", "--port", "80/TCP", "-o", "json");
        Assert.True(explained.RootElement.GetProperty("allowed").GetBoolean());
        Assert.Equal(JsonValueKind.Null, explained.RootElement.GetProperty("ingress").GetProperty("decidedBy").ValueKind);
        using var matrix = await JsonAsync(agent, "matrix", "-o", "json");
        Assert.Equal(1, matrix.RootElement.GetProperty("probes").GetArrayLength());
        Assert.Equal(1, (await agent.RunAsync("wait", "--for", "revision=99", "--timeout", "50ms")).Code);
        Assert.Equal(0, (await agent.RunAsync("wait", "--for", "revision=1")).Code);

        Assert.Equal(0, await agent.TerminateAsync());
        Assert.Equal("pc-host-test 1 default/hello\n", await File.ReadAllTextAsync(agent.State, TestContext.Current.CancellationToken));
        Assert.False(File.Exists(agent.Socket));
    }

    [Fact]
    public async Task Socket_OfARunningAgent_IsPrivateAndNotTakenOver()
    {
        await using var agent = new TestAgent();
        await agent.StartAsync();

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(agent.Socket));
        var (code, _, error) = await agent.RunAsync("run");
        Assert.Equal(2, code);
        Assert.Contains($"another agent runs with this socket: {agent.Socket}", error, StringComparison.Ordinal);
        Assert.Equal(0, (await agent.RunAsync("status")).Code);
    }

    [Fact]
    public async Task Socket_LeftByAKilledAgent_IsReplaced()
    {
        await using var agent = new TestAgent();
        Directory.CreateDirectory(Path.GetDirectoryName(agent.Socket)!);
        using (var stale = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified))
        {
            stale.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(agent.Socket + ".old"));
            File.Move(agent.Socket + ".old", agent.Socket);
        }

        await agent.StartAsync();

        Assert.Equal(0, (await agent.RunAsync("status")).Code);
    }

    [Fact]
    public async Task Cleanup_WithARunningAgent_ReleasesItFirst()
    {
        await using var agent = new TestAgent();
        await agent.StartAsync();

        var (code, output, error) = await agent.RunAsync("cleanup", "-o", "json");

        Assert.True(code == 0, error);
        Assert.Contains(agent.State, output, StringComparison.Ordinal);
        Assert.Equal(0, await agent.ExitAsync());
        Assert.False(File.Exists(agent.State));
    }

    [Fact]
    public async Task Cleanup_WithoutAnAgent_RemovesWhatIsThere()
    {
        await using var agent = new TestAgent();
        await File.WriteAllTextAsync(agent.State, "left behind", TestContext.Current.CancellationToken);

        Assert.Equal(0, (await agent.RunAsync("cleanup")).Code);

        Assert.False(File.Exists(agent.State));
        Assert.Equal("nothing to remove\n", (await agent.RunAsync("cleanup")).Output);
    }

    [Fact]
    public async Task Run_FirstApplyFails_ExitsThreeWithTheReason()
    {
        await using var agent = new TestAgent();

        var (code, _, error) = await agent.RunAsync(["run"], ["datapath.good.refuse=kernel says no"]);

        Assert.Equal(3, code);
        Assert.Contains("portcullis: datapath good could not enforce the first state: kernel says no", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("datapath.plugin=good", "portcullis: datapath good cannot run on this machine: bpffs is missing: install it")]
    [InlineData("datapath.plugin=auto", "portcullis: good: bpffs is missing: install it")]
    public async Task Run_DatapathCannotRunHere_ExitsTwoWithTheRemedy(string set, string message)
    {
        await using var agent = new TestAgent();

        var (code, _, error) = await agent.RunAsync(["run"], [set, "datapath.good.lacks=bpffs"]);

        Assert.Equal(2, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.False(File.Exists(agent.State));
    }

    [Theory]
    [InlineData("datapath.plugin=good")]
    [InlineData("datapath.plugin=auto")]
    public async Task Run_DatapathPluginHasADefect_ExitsTwoAndNamesIt(string set)
    {
        await using var agent = new TestAgent();

        var (code, _, error) = await agent.RunAsync(["run"], [set, "datapath.good.defect=off by one"]);

        Assert.Equal(2, code);
        Assert.Contains("good", error, StringComparison.Ordinal);
        Assert.Contains("InvalidOperationException: off by one", error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_SocketIsTaken_IsSaidBeforeTheDatapathIsTried()
    {
        await using var agent = new TestAgent();
        await agent.StartAsync();

        var (code, _, error) = await agent.RunAsync(["run"], ["datapath.good.lacks=bpffs"]);

        Assert.Equal(2, code);
        Assert.Contains(agent.Socket, Assert.Single(error.Trim().Split('\n')), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_ManyThingsWrong_ListsAllAndTouchesNothing()
    {
        await using var agent = new TestAgent();

        var (code, output, error) = await agent.RunAsync(
            ["run"], ["enforcement.mode=soft", "source.good.tone=loud", "datapath.plugin=absent", "surprise=1"]);

        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.Equal(4, error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Contains("'soft' is none of standard, strict, audit", error, StringComparison.Ordinal);
        Assert.Contains("source.good.tone: unknown key", error, StringComparison.Ordinal);
        Assert.Contains("no datapath plugin 'absent'", error, StringComparison.Ordinal);
        Assert.Contains("surprise: unknown key", error, StringComparison.Ordinal);
        Assert.False(File.Exists(agent.State));
    }

    [Theory]
    [InlineData(2, "status")]
    [InlineData(2, "datapath", "switch", "iptables")]
    [InlineData(2, "nonsense")]
    [InlineData(2, "status", "-o", "yaml")]
    [InlineData(2, "wait", "--timeout", "soon")]
    [InlineData(2, "check", "/nonexistent/manifest.yaml")]
    [InlineData(1, "wait", "--timeout", "20ms")]
    [InlineData(0, "plugins", "-o", "json")]
    [InlineData(0, "--help")]
    [InlineData(0, "run", "--help")]
    public async Task Command_WithoutAnAgent_HasTheDocumentedExitCode(int expected, params string[] command)
    {
        await using var agent = new TestAgent();

        var (code, _, error) = await agent.RunAsync(command);

        Assert.Equal(expected, code);
        Assert.Equal(expected == 0, error.Length == 0);
    }

    [Fact]
    public async Task DatapathSwitch_ToTheOneInUse_IsDone()
    {
        await using var agent = new TestAgent();
        await agent.StartAsync();

        var (code, output, _) = await agent.RunAsync("datapath", "switch", "good");

        Assert.Equal(0, code);
        Assert.Equal("datapath good enforces revision 1\n", output);
        var (unknown, _, error) = await agent.RunAsync("datapath", "switch", "better");
        Assert.Equal(2, unknown);
        Assert.Contains("no datapath plugin 'better'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OnTheirOwnListener_AreAllThatIsThere()
    {
        var port = FreePort();
        await using var agent = new TestAgent();
        await agent.StartAsync($"metrics.listen=127.0.0.1:{port}");
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        var token = TestContext.Current.CancellationToken;

        Assert.Contains("portcullis_applied_revision 1\n", await http.GetStringAsync("/metrics", token), StringComparison.Ordinal);
        Assert.Equal("ok\n", await http.GetStringAsync("/livez", token));
        Assert.Equal("ok\n", await http.GetStringAsync("/readyz", token));
        using var admin = await http.GetAsync("/v1/status", token);
        Assert.Equal(System.Net.HttpStatusCode.NotFound, admin.StatusCode);
    }

    [Fact]
    public async Task Metrics_PortInUse_ExitsTwo()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        await using var agent = new TestAgent();

        var (code, _, error) = await agent.RunAsync(["run"], [$"metrics.listen={taken.LocalEndpoint}"]);

        Assert.Equal(2, code);
        Assert.Contains($"metrics.listen {taken.LocalEndpoint} is in use", error, StringComparison.Ordinal);
        Assert.False(File.Exists(agent.State));
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static async Task<JsonDocument> JsonAsync(TestAgent agent, params string[] command)
    {
        var (code, output, error) = await agent.RunAsync(command);
        Assert.True(code == 0, $"{string.Join(' ', command)}: {code}: {error}");
        return JsonDocument.Parse(output);
    }
}
