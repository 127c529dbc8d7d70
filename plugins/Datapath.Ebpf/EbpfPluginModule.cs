using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Datapath.Ebpf;

/// <summary>The plugin that offers <see cref="EbpfDatapath"/>.</summary>
internal sealed class EbpfPluginModule : IPluginModule
{
    /// <inheritdoc/>
    public string Name => EbpfDatapath.PluginName;

    /// <inheritdoc/>
    public PluginKind Kind => PluginKind.Datapath;

    /// <inheritdoc/>
    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(errors);
        foreach (var key in configuration.GetChildren())
        {
            errors.Add($"{key.Path}: unknown key; the {Name} datapath has no settings of its own");
        }
    }
}
