using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Portcullis.Host.Api;
using Portcullis.Host.Configuration;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Links;
using Portcullis.Host.Metrics;
using Portcullis.Host.Plugins;
using Portcullis.Plugins;

namespace Portcullis.Host;

/// <summary>The running agent: a generic host around the enforcement loop and its two listeners.</summary>
internal static partial class Agent
{
    /// <summary>Long enough for answers under way, short enough for a supervisor's patience.</summary>
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(5);

    /// <summary>Marks connections that came through the admin socket; no other may use the admin API.</summary>
    private static readonly object AdminMark = new();

    /// <summary>Runs until cancelled or released.</summary>
    /// <exception cref="CommandException">It cannot start, or the first apply failed.</exception>
    public static async Task RunAsync(AgentConfiguration configuration, CancellationToken cancellationToken)
    {
        var options = configuration.Options;
        using var logging = AgentLogging.Create(options.Logging);
        var logger = logging.CreateLogger(typeof(Agent).FullName!);
        var metrics = new AgentMetrics();
        await using var plugins = PluginSetup.Load(configuration, logging, metrics, requireChosen: true);
        LogPlugins(logger, plugins);
        var source = PluginSetup.CreateSource(plugins, options.Source.Plugin);
        AgentSocket.Prepare(options.Api.Socket);
        using var claim = InstanceClaim.Take(options.Node.Instance);
        var selection = new DatapathSelection(plugins, options.Datapath.Plugin, logging.CreateLogger<DatapathSelection>());
        var (datapath, choice) = await selection.ChooseAsync(cancellationToken);
        LogDatapath(logger, choice.Plugin, choice.Reason);
        using var links = LinkWatcher.Start();
        var loop = new EnforcementLoop(
            source, datapath, choice, selection, links.Current, options, metrics, TimeProvider.System, logging.CreateLogger<EnforcementLoop>());
        using var flows = new FlowHub(() => loop.Datapath, logging.CreateLogger<FlowHub>());
        loop.OnDatapathChanged = flows.ReadAnew;
        using var datapaths = new DatapathSwitch(loop, selection);
        await using var app = Build(options, logging);
        Route(app, new AdminApi(loop, flows, datapaths, plugins, options, app.Lifetime), new ProbeApi(loop, flows, metrics));
        await StartAsync(app, options, cancellationToken);
        LogStarted(logger, options.Node.Name, options.Node.Instance, options.Source.Plugin, options.Api.Socket);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, app.Lifetime.ApplicationStopping);
        try
        {
            await loop.RunAsync(links.Changes, stop.Token);
        }
        finally
        {
            await app.StopAsync(CancellationToken.None);
        }
    }

    private static WebApplication Build(AgentOptions options, ILoggerFactory logging)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(logging);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = ShutdownTimeout);
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = Bind);
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.ListenUnixSocket(options.Api.Socket, listen => listen.Use(MarkAdmin));
            if (options.Metrics.Listen is { } endpoint)
            {
                kestrel.Listen(endpoint);
            }
        });
        return builder.Build();
    }

    private static ConnectionDelegate MarkAdmin(ConnectionDelegate next) => connection =>
    {
        connection.Items[AdminMark] = AdminMark;
        return next(connection);
    };

    private static void Route(WebApplication app, AdminApi admin, ProbeApi probes) => app.Run(context =>
        context.Features.GetRequiredFeature<IConnectionItemsFeature>().Items.ContainsKey(AdminMark)
            ? admin.HandleAsync(context)
            : probes.HandleAsync(context));

    private static Socket Bind(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        if (endpoint is UnixDomainSocketEndPoint unix)
        {
            AgentSocket.Protect(unix.ToString());
        }

        return socket;
    }

    private static async Task StartAsync(WebApplication app, AgentOptions options, CancellationToken cancellationToken)
    {
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            throw new CommandException(
                ExitCode.Usage,
                [exception is IOException { InnerException: AddressInUseException }
                    ? $"metrics.listen {options.Metrics.Listen} is in use: stop what listens there, or set another address or none"
                    : $"cannot listen on {options.Api.Socket} and {options.Metrics.Listen}: {exception.Message}"]);
        }
    }

    private static void LogPlugins(ILogger logger, PluginCatalog plugins)
    {
        foreach (var report in plugins.Reports)
        {
            if (report.State == PluginState.Active)
            {
                LogPlugin(logger, report.Name, report.Version, report.Folder);
            }
            else
            {
                LogPluginRejected(logger, report.Name, report.State, report.Reason, report.Folder);
            }
        }
    }

    [LoggerMessage(1001, LogLevel.Information, "Agent of node {Node}, instance {Instance}, reads from {Source} and answers at {Socket}")]
    private static partial void LogStarted(ILogger logger, string node, string instance, string source, string socket);

    [LoggerMessage(1002, LogLevel.Information, "Datapath {Datapath}: {Reason}")]
    private static partial void LogDatapath(ILogger logger, string datapath, string reason);

    [LoggerMessage(1003, LogLevel.Debug, "Plugin {Plugin} {Version} loaded from {Folder}")]
    private static partial void LogPlugin(ILogger logger, string plugin, string? version, string folder);

    [LoggerMessage(1004, LogLevel.Warning, "Plugin {Plugin} is {State}: {Reason} ({Folder})")]
    private static partial void LogPluginRejected(ILogger logger, string plugin, PluginState state, string reason, string folder);
}
