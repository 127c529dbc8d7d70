using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Host.Metrics;
using Portcullis.Sources;

namespace Portcullis.Host.Plugins;

/// <summary>What the host gives to every plugin's services.</summary>
internal sealed record PluginHostServices(
    ILoggerFactory LoggerFactory, TimeProvider Time, SourceSettings Source, DatapathSettings Datapath, AgentMetrics Metrics)
{
    /// <summary>A collection with these services, for one plugin to add to.</summary>
    public IServiceCollection CreateCollection()
    {
        var services = new ServiceCollection();
        services.AddSingleton(LoggerFactory);
        services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        services.AddSingleton(Time);
        services.AddSingleton(Source);
        services.AddSingleton(Datapath);
        services.AddSingleton(Metrics);
        return services;
    }
}
