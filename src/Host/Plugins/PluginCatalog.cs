using Microsoft.Extensions.Configuration;
using Portcullis.Plugins;

namespace Portcullis.Host.Plugins;

/// <summary>Every plugin that was found, loaded or not.</summary>
internal sealed class PluginCatalog : IAsyncDisposable
{
    private readonly List<Plugin> _plugins;

    private PluginCatalog(string path, List<Plugin> plugins)
    {
        Path = path;
        _plugins = plugins;
    }

    /// <summary>The folder they were looked for in.</summary>
    public string Path { get; }

    /// <summary>Whether that folder exists.</summary>
    public bool IsFolderThere { get; private init; }

    /// <summary>What became of each, in order of their folders.</summary>
    public IReadOnlyList<PluginReport> Reports => [.. _plugins.Select(plugin => plugin.Report)];

    /// <summary>The sections of the configuration that plugins answer for.</summary>
    public IReadOnlyCollection<string> Sections =>
        [.. Reports.SelectMany(report => report.Kind is null ? [$"source:{report.Name}", $"datapath:{report.Name}"] : new[] { report.Section })];

    /// <summary>The datapaths that loaded, in the order <c>auto</c> prefers them.</summary>
    public IEnumerable<Plugin> Datapaths =>
        Active(PluginKind.Datapath).OrderBy(plugin => Array.IndexOf(Preference, plugin.Report.Name) is var rank and >= 0 ? rank : Preference.Length);

    private static string[] Preference { get; } = ["ebpf", "iptables"];

    /// <summary>Loads every plugin below a folder.</summary>
    /// <param name="path">The folder of plugin folders.</param>
    /// <param name="host">What the host gives to plugins.</param>
    /// <param name="configuration">The whole configuration.</param>
    /// <param name="errors">Takes what plugins find wrong with their sections, or that the folder is missing.</param>
    public static PluginCatalog Load(string path, PluginHostServices host, IConfiguration configuration, ICollection<string> errors)
    {
        if (!Directory.Exists(path))
        {
            errors.Add($"plugin folder {path} does not exist: install the plugins there or set plugins.path");
            return new PluginCatalog(path, []);
        }

        var folders = Directory.GetDirectories(path).Order(StringComparer.Ordinal);
        return new PluginCatalog(path, [.. folders.Select(folder => Plugin.Load(folder, host, configuration, errors))]) { IsFolderThere = true };
    }

    /// <summary>Finds a plugin that loaded.</summary>
    /// <param name="kind">What it must offer.</param>
    /// <param name="name">Its name.</param>
    /// <param name="problem">Why there is none, one line.</param>
    public Plugin? Find(PluginKind kind, string name, out string problem)
    {
        var found = Active(kind).FirstOrDefault(plugin => string.Equals(plugin.Report.Name, name, StringComparison.Ordinal));
        var broken = Reports.FirstOrDefault(report =>
            (report.Kind ?? kind) == kind && report.State != PluginState.Active && string.Equals(report.Name, name, StringComparison.Ordinal));
        var available = Active(kind).Select(plugin => plugin.Report.Name).ToList();
        problem = broken is not null
            ? $"plugin '{name}' is {broken.State.ToString().ToLowerInvariant()}: {broken.Reason}"
            : $"no {kind.ToString().ToLowerInvariant()} plugin '{name}' in {Path} (there: {(available.Count == 0 ? "none" : string.Join(", ", available))})";
        return found;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var plugin in _plugins)
        {
            await plugin.DisposeAsync();
        }
    }

    private IEnumerable<Plugin> Active(PluginKind kind) =>
        _plugins.Where(plugin => plugin.Report.Kind == kind && plugin.Report.State == PluginState.Active);
}
