using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class FirstModule : IPluginModule
{
    public string Name => "first";

    public PluginKind Kind => PluginKind.Source;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors) =>
        throw new InvalidOperationException("never asked");
}

internal sealed class SecondModule : IPluginModule
{
    public string Name => "second";

    public PluginKind Kind => PluginKind.Source;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors) =>
        throw new InvalidOperationException("never asked");
}
