using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class GoodSourceModule : IPluginModule
{
    public string Name => "good";

    public PluginKind Kind => PluginKind.Source;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        foreach (var child in configuration.GetChildren().Where(child => child.Key != "greeting"))
        {
            errors.Add($"source.good.{child.Key}: unknown key");
        }

        services.AddSingleton(new Greeting(configuration["greeting"] ?? "hello"));
    }
}

internal sealed record Greeting(string Text);
