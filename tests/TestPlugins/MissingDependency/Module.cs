using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class OrphanModule : IPluginModule
{
    public string Name => "orphan";

    public PluginKind Kind => PluginKind.Source;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
    }
}

internal sealed class Orphan : Parent;
