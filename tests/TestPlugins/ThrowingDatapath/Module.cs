using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class ThrowingModule : IPluginModule
{
    public string Name => "throwing";

    public PluginKind Kind => PluginKind.Datapath;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors) =>
        throw new InvalidOperationException("no luck today");
}
