using System.Collections.Frozen;
using System.Reflection;
using System.Runtime.Loader;

namespace Portcullis.Host.Plugins;

/// <summary>The assemblies that host and plugins must see as one; everything else a plugin brings is its own.</summary>
internal static class SharedAssemblies
{
    /// <summary>The contracts: what a plugin is built against decides whether it fits.</summary>
    public const string Abstractions = "Portcullis.Abstractions";

    /// <summary>Their names.</summary>
    public static readonly FrozenSet<string> Names = FrozenSet.Create(
        StringComparer.Ordinal,
        Abstractions,
        "Portcullis.Policy",
        "Microsoft.Extensions.Configuration.Abstractions",
        "Microsoft.Extensions.DependencyInjection.Abstractions",
        "Microsoft.Extensions.Logging.Abstractions",
        "Microsoft.Extensions.Options",
        "Microsoft.Extensions.Primitives");

    /// <summary>Those of them that a plugin's context has loaded privately after all.</summary>
    public static IEnumerable<AssemblyName> LoadedPrivately(AssemblyLoadContext context) =>
        context.Assemblies.Select(assembly => assembly.GetName()).Where(name => Names.Contains(name.Name!));
}
