using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Sources.Files;

/// <summary>Registers the source that reads and watches files of manifests.</summary>
public sealed class FilePluginModule : IPluginModule
{
    /// <inheritdoc/>
    public string Name => FileSource.PluginName;

    /// <inheritdoc/>
    public PluginKind Kind => PluginKind.Source;

    /// <inheritdoc/>
    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(errors);
        services.AddSingleton(FileSourceOptions.Read(configuration, errors));
    }
}
