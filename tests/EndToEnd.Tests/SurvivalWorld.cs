using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Portcullis.Host.Demo;
using Portcullis.Net;

namespace Portcullis.EndToEnd.Tests;

/// <summary>
/// The machine of the survival tests. The client may reach the server, and each needs permits: the client for the replies it
/// gets, the server for those it sends. The stranger may reach nobody. <see cref="Change"/> turns around everything else.
/// </summary>
internal sealed partial class SurvivalWorld : IAsyncDisposable
{
    public const int EchoPort = 7000;
    private const int MetricsPort = 9465;

    private static readonly NamespacedName GuestName = new("default", "guest");
    private static readonly IpAddress[] GuestAddresses = [IpAddress.Parse("10.213.0.5"), IpAddress.Parse("fd00:213::5")];

    private readonly TcpEcho _echo;
    private readonly Random _random;
    private NetworkPod? _guest;
    private int _serial;

    public SurvivalWorld(Random random)
    {
        _random = random;
        Machine = new Machine();
        Stranger = Machine.Network.AddPod(new("default", "stranger"), IpAddress.Parse("10.213.0.4"), IpAddress.Parse("fd00:213::4"));
        Machine.Serve(Stranger);
        _echo = TcpEcho.Start(Machine.Server.Network, EchoPort);
        var configuration = Machine.Folder.Configuration;
        File.WriteAllText(configuration, File.ReadAllText(configuration)
            .Replace("listen: \"\"", $"listen: \"127.0.0.1:{MetricsPort}\"", StringComparison.Ordinal));
        Machine.Folder.Delete("pods.yaml");
        foreach (var pod in Machine.Network.Pods)
        {
            Machine.Folder.Put($"{pod.Name.Name}.yaml", Machine.PodManifest(pod));
        }

        Machine.Folder.Put("client-closed.yaml", Policy("client-closed", "app: client", "policyTypes: [Ingress]"));
        Machine.Folder.Put("server-closed.yaml", Policy("server-closed", "app: server", "policyTypes: [Ingress, Egress]"));
        AllowClientByLabel();
    }

    public Machine Machine { get; }

    public NetworkPod Stranger { get; }

    /// <summary>Starts an agent without waiting for anything.</summary>
    public AgentProcess StartAgent() => AgentProcess.Start(Executable.Path, Machine.Network.Node, Machine.Folder);

    /// <summary>Opens a connection from the client to the server.</summary>
    public Task<LiveConnection> ConnectAsync(IpFamily family, TimeSpan pause, string name) =>
        LiveConnection.OpenAsync(Machine.Client, Machine.Server.Address(family), EchoPort, pause, name);

    /// <summary>Changes something that must not matter to client, server and stranger.</summary>
    public void Change()
    {
        _serial++;
        switch (_random.Next(7))
        {
            case 0:
                AllowClientByLabel();
                break;
            case 1:
                AllowClientByBlock();
                break;
            case 2:
                var labels = $"labels: {{ app: client, spin: \"{_serial}\" }}";
                Machine.Folder.Put("client.yaml", Machine.PodManifest(Machine.Client).Replace("labels: { app: client }", labels, StringComparison.Ordinal));
                break;
            case 3:
                Machine.Folder.Put("noise.yaml", Policy("noise", "app: server", $"policyTypes: [Ingress]\n  ingress: [ {{ from: [ {Blocks(_random.Next(1, 1500))} ], ports: [ {{ port: {_serial % 60000 + 1} }} ] }} ]"));
                break;
            case 4:
                Machine.Folder.Delete("noise.yaml");
                break;
            case 5:
                ChangeGuest();
                break;
            default:
                Machine.Folder.Put("spin.yaml", Policy("spin", "spin: \"" + _serial + "\"", $"policyTypes: [Ingress]\n  ingress: [ {{ from: [ {Blocks(5)} ] }} ]"));
                break;
        }
    }

    /// <summary>Fails unless client, server and stranger reach each other as policy says.</summary>
    public async Task AssertVerdictsAsync()
    {
        await Machine.AssertAllowedAsync(Machine.Client, Machine.Server);
        await Machine.AssertDeniedAsync(Stranger, Machine.Server);
        await Machine.AssertDeniedAsync(Machine.Server, Stranger);
        await Machine.AssertAllowedAsync(Machine.Client, Stranger);
    }

    /// <summary>What the agent has in the kernel: filters, qdiscs, pins, and how many entries its tables have.</summary>
    public async Task<string> KernelStateAsync()
    {
        var state = new StringBuilder();
        foreach (var pod in Machine.Network.Pods)
        {
            foreach (var hook in new[] { "ingress", "egress" })
            {
                var filters = await Executable.RunProgramAsync(Machine.Network.Node, "tc", "filter", "show", "dev", pod.HostInterface, hook);
                state.AppendLine($"{pod.Name} {hook}: {ProgramId().Replace(filters.Output, string.Empty).Trim()}");
            }
        }

        foreach (var line in Machine.KernelState().Order(StringComparer.Ordinal))
        {
            state.AppendLine(line);
        }

        foreach (var pin in Directory.EnumerateFileSystemEntries($"/sys/fs/bpf/portcullis/{Machine.Instance}").Order(StringComparer.Ordinal))
        {
            state.AppendLine(pin);
        }

        foreach (var line in (await MetricsAsync()).Split('\n').Where(line => line.StartsWith("portcullis_table_entries", StringComparison.Ordinal)).Order(StringComparer.Ordinal))
        {
            state.AppendLine(line.TrimEnd());
        }

        return state.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        await Machine.DisposeAsync();
        await _echo.DisposeAsync();
    }

    private static string Policy(string name, string selector, string rules) => $$"""
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: { namespace: default, name: {{name}} }
        spec:
          podSelector: { matchLabels: { {{selector}} } }
          {{rules}}
        """;

    private void AllowClientByLabel() => Machine.Folder.Put(
        "allow.yaml", Policy("allow", "app: server", "policyTypes: [Ingress]\n  ingress: [ { from: [ { podSelector: { matchLabels: { app: client } } } ] } ]"));

    private void AllowClientByBlock() => Machine.Folder.Put(
        "allow.yaml", Policy("allow", "app: server", "policyTypes: [Ingress]\n  ingress: [ { from: [ { ipBlock: { cidr: 10.213.0.2/32 } }, { ipBlock: { cidr: \"fd00:213::2/128\" } } ] } ]"));

    // Addresses outside the world's, most in a block of the address table of their own.
    private string Blocks(int count) => string.Join(", ", Enumerable.Range(0, count).Select(_ =>
        $"{{ ipBlock: {{ cidr: {_random.Next(20, 200)}.{_random.Next(256)}.{_random.Next(256)}.{_random.Next(256)}/32 }} }}"));

    private void ChangeGuest()
    {
        if (_guest is null)
        {
            _guest = Machine.Network.AddPod(GuestName, GuestAddresses);
            Machine.Folder.Put("guest.yaml", Machine.PodManifest(_guest));
        }
        else
        {
            Machine.Folder.Delete("guest.yaml");
            Machine.Network.RemovePod(_guest);
            _guest = null;
        }
    }

    private async Task<string> MetricsAsync()
    {
        using var socket = Machine.Network.Node.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, MetricsPort), limit.Token);
        await socket.SendAsync("GET /metrics HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"u8.ToArray(), limit.Token);
        using var reader = new StreamReader(new NetworkStream(socket));
        return await reader.ReadToEndAsync(limit.Token);
    }

    [GeneratedRegex(@":\[\d+\]| id \d+( name \S+)?( tag \S+)?( jited)?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ProgramId();
}
