using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.Datapath.Iptables;

/// <summary>The entry point of the plugin.</summary>
public sealed class IptablesModule : IPluginModule
{
    /// <inheritdoc/>
    public string Name => IptablesDatapath.PluginName;

    /// <inheritdoc/>
    public PluginKind Kind => PluginKind.Datapath;

    /// <inheritdoc/>
    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(errors);
        foreach (var child in configuration.GetChildren())
        {
            errors.Add($"{child.Path}: unknown key; the iptables datapath has no settings of its own");
        }
    }
}
