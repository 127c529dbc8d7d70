using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace Portcullis.Plugins;

/// <summary>What a plugin offers.</summary>
public enum PluginKind
{
    /// <summary>An <see cref="Sources.IPolicySource"/>.</summary>
    Source,

    /// <summary>An <see cref="Datapaths.IDatapath"/>.</summary>
    Datapath,
}

/// <summary>How loading a plugin ended.</summary>
public enum PluginState
{
    /// <summary>Loaded and registered.</summary>
    Active,

    /// <summary>Sound, but this machine or this host lacks something it needs.</summary>
    Unsupported,

    /// <summary>Broken: missing or incompatible assemblies, no module, an exception while registering.</summary>
    Failed,
}

/// <summary>The entry point of a plugin assembly: exactly one public or internal class with a parameterless constructor.</summary>
/// <remarks>
/// The host registers the assembly's <see cref="Sources.IPolicySource"/> or <see cref="Datapaths.IDatapath"/> class as a
/// singleton itself; the module adds what that class needs. Everything runs on the thread that starts the host, before any
/// service exists. An assembly is loaded into a context of its own, with Portcullis.Abstractions, Portcullis.Policy and
/// Microsoft.Extensions shared with the host.
/// </remarks>
public interface IPluginModule
{
    /// <summary>The name configuration chooses the plugin by; equal to the name of the source or datapath it offers.</summary>
    string Name { get; }

    /// <summary>What it offers.</summary>
    PluginKind Kind { get; }

    /// <summary>Adds the services the plugin's class needs.</summary>
    /// <param name="services">The host's collection. TimeProvider, logging, <see cref="Sources.SourceSettings"/> and <see cref="Datapaths.DatapathSettings"/> are there.</param>
    /// <param name="configuration">The plugin's own section, <c>source.&lt;name&gt;</c> or <c>datapath.&lt;name&gt;</c>.</param>
    /// <param name="errors">Where to put every invalid or unknown key of the section, one line each: the host reports them all at once and does not start.</param>
    /// <exception cref="FeatureNotSupportedException">This machine cannot run it; it ends Unsupported.</exception>
    void Register(IServiceCollection services, IConfigurationSection configuration, ICollection<string> errors);
}
