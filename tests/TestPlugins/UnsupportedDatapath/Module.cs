using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class UnsupportedModule : IPluginModule
{
    public string Name => "unsupported";

    public PluginKind Kind => PluginKind.Datapath;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors) =>
        throw new FeatureNotSupportedException("warp drive", "install the package dilithium");
}
