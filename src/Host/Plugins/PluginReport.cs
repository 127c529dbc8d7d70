using Portcullis.Plugins;

namespace Portcullis.Host.Plugins;

/// <summary>What became of one plugin folder.</summary>
/// <param name="Name">The name configuration uses; the folder's last part in lower case when the plugin could not say.</param>
/// <param name="Kind">What it offers; null when it could not say.</param>
/// <param name="State">How loading ended.</param>
/// <param name="Reason">Why, one line; empty for an active plugin.</param>
/// <param name="Version">The assembly's version; null when there is no readable assembly.</param>
/// <param name="Folder">Where it was found.</param>
internal sealed record PluginReport(string Name, PluginKind? Kind, PluginState State, string Reason, string? Version, string Folder)
{
    /// <summary>The configuration section the plugin answers for.</summary>
    public string Section => $"{(Kind == PluginKind.Source ? "source" : "datapath")}:{Name}";
}
