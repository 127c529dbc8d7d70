using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;

namespace Portcullis.TestPlugins;

internal sealed class GoodDatapathModule : IPluginModule
{
    public string Name => "good";

    public PluginKind Kind => PluginKind.Datapath;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
        foreach (var child in configuration.GetChildren().Where(child => child.Key is not ("state" or "refuse" or "lacks" or "defect")))
        {
            errors.Add($"datapath.good.{child.Key}: unknown key");
        }

        services.AddSingleton(new GoodDatapathOptions(configuration["state"], configuration["refuse"], configuration["lacks"], configuration["defect"]));
    }
}

/// <param name="State">A file that stands for the kernel; null: nothing is kept.</param>
/// <param name="Refuse">Why every apply fails; null: none does.</param>
/// <param name="Lacks">What this machine lacks; null: nothing.</param>
/// <param name="Defect">What asking it throws; null: nothing.</param>
internal sealed record GoodDatapathOptions(string? State, string? Refuse, string? Lacks, string? Defect);
