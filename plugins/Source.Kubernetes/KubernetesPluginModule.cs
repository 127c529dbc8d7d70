using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Sources.Kubernetes;

/// <summary>Registers the source that watches a Kubernetes API server.</summary>
public sealed class KubernetesPluginModule : IPluginModule
{
    /// <inheritdoc/>
    public string Name => KubernetesSource.PluginName;

    /// <inheritdoc/>
    public PluginKind Kind => PluginKind.Source;

    /// <inheritdoc/>
    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(errors);
        services.AddSingleton(KubernetesSourceOptions.Read(configuration, errors));
    }
}
