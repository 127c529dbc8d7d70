using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Plugins;
using Portcullis.Sources;

namespace Portcullis.TestPlugins;

internal sealed class IncompleteModule : IPluginModule
{
    public string Name => "incomplete";

    public PluginKind Kind => PluginKind.Source;

    public void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors)
    {
    }
}

internal interface IForgotten;

internal sealed class IncompleteSource(IForgotten forgotten) : IPolicySource
{
    public string Name => $"incomplete{forgotten}";

    public async IAsyncEnumerable<SourceBatch> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        yield break;
    }
}
