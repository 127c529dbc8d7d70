using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using Portcullis.Datapaths;
using Portcullis.Host.Metrics;
using Portcullis.Host.Plugins;
using Portcullis.Sources;

namespace Portcullis.Plugins.LoadTests;

/// <summary>A folder of plugins, put together from the test plugins that were built beside this project.</summary>
internal sealed class PluginFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-host-plugins-");

    public string Path => _folder.FullName;

    public List<string> Errors { get; } = [];

    /// <summary>Installs a test plugin.</summary>
    /// <param name="project">The project that builds it.</param>
    /// <param name="without">A file to leave out.</param>
    public PluginFolder With(string project, string? without = null)
    {
        // artifacts/bin/<this project>/<configuration>: the plugin's own is beside it.
        var here = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd('/'));
        var built = System.IO.Path.Combine(here.Parent!.Parent!.FullName, project, here.Name);
        var target = Directory.CreateDirectory(System.IO.Path.Combine(Path, project)).FullName;
        foreach (var file in Directory.GetFiles(built).Where(file => System.IO.Path.GetFileName(file) != without))
        {
            File.Copy(file, System.IO.Path.Combine(target, System.IO.Path.GetFileName(file)));
        }

        return this;
    }

    /// <summary>Adds a file to a plugin's folder.</summary>
    public PluginFolder WithFile(string project, string file, byte[] content)
    {
        Directory.CreateDirectory(System.IO.Path.Combine(Path, project));
        File.WriteAllBytes(System.IO.Path.Combine(Path, project, file), content);
        return this;
    }

    /// <summary>Adds the host's own contracts to a plugin's folder, as a careless build does.</summary>
    public PluginFolder WithOwnAbstractions(string project) =>
        WithFile(project, "Portcullis.Abstractions.dll", File.ReadAllBytes(typeof(IPluginModule).Assembly.Location));

    public PluginCatalog Load(params (string Key, string Value)[] settings)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value)))
            .Build();
        var services = new PluginHostServices(
            NullLoggerFactory.Instance,
            TimeProvider.System,
            new SourceSettings("node"),
            new DatapathSettings("pc-host-test", EstablishedConnections.Enforce, AllowSpoofing: false),
            new AgentMetrics());
        return PluginCatalog.Load(Path, services, configuration, Errors);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
