using System.Reflection;
using System.Runtime.Loader;
using McMaster.NETCore.Plugins;
using Portcullis.Plugins;

namespace Portcullis.Host.Plugins;

/// <summary>A plugin's assembly in a context of its own, proven to share its contracts with the host.</summary>
internal sealed class PluginAssembly
{
    private PluginAssembly(Assembly assembly, IPluginModule module)
    {
        Assembly = assembly;
        Module = module;
    }

    /// <summary>The assembly.</summary>
    public Assembly Assembly { get; }

    /// <summary>Its one module.</summary>
    public IPluginModule Module { get; }

    /// <summary>The file a plugin folder is loaded from, or null.</summary>
    public static string? FindFile(string folder)
    {
        var name = Path.GetFileName(folder);
        string[] candidates = [Path.Combine(folder, $"Portcullis.{name}.dll"), Path.Combine(folder, $"{name}.dll")];
        return candidates.FirstOrDefault(File.Exists);
    }

    /// <summary>Loads the assembly and creates its module.</summary>
    /// <exception cref="PluginRejectedException">It does not fit; the message says why.</exception>
    public static PluginAssembly Load(string file)
    {
        var loader = PluginLoader.CreateFromAssemblyFile(file, Share);
        var assembly = loader.LoadDefaultAssembly();
        RequireMatchingAbstractions(assembly);
        var module = CreateModule(assembly);
        RequireNothingPrivate(assembly);
        return new PluginAssembly(assembly, module);
    }

    private static void Share(PluginConfig config)
    {
        // Lazily: only the names listed are shared, not everything they happen to refer to.
        config.IsLazyLoaded = true;
        foreach (var name in SharedAssemblies.Names)
        {
            config.SharedAssemblies.Add(new AssemblyName(name));
        }
    }

    private static void RequireMatchingAbstractions(Assembly assembly)
    {
        var host = typeof(IPluginModule).Assembly.GetName().Version!;
        var wanted = assembly.GetReferencedAssemblies()
            .FirstOrDefault(reference => string.Equals(reference.Name, SharedAssemblies.Abstractions, StringComparison.Ordinal))?.Version
            ?? throw new PluginRejectedException($"is not a plugin: it does not refer to {SharedAssemblies.Abstractions}");
        if (wanted.Major != host.Major || wanted.Minor > host.Minor)
        {
            throw new PluginRejectedException(
                $"was built against {SharedAssemblies.Abstractions} {wanted}, this host has {host}: use the build of the plugin that belongs to this host");
        }
    }

    private static IPluginModule CreateModule(Assembly assembly)
    {
        var types = GetTypes(assembly).Where(type => type is { IsClass: true, IsAbstract: false }).ToList();
        var modules = types.Where(typeof(IPluginModule).IsAssignableFrom).ToList();
        if (modules is [var single])
        {
            return (IPluginModule)Activator.CreateInstance(single, nonPublic: true)!;
        }

        var foreign = types.FirstOrDefault(type => type.GetInterfaces()
            .Any(implemented => string.Equals(implemented.FullName, typeof(IPluginModule).FullName, StringComparison.Ordinal)));
        throw new PluginRejectedException(modules.Count > 1
            ? $"has {modules.Count} classes that implement IPluginModule ({string.Join(", ", modules.Select(type => type.Name))}); exactly one is expected"
            : foreign is null
                ? "has no class that implements IPluginModule"
                : $"sees another IPluginModule than the host: remove its own copy of {SharedAssemblies.Abstractions}");
    }

    private static Type[] GetTypes(Assembly assembly)
    {
        try
        {
            return assembly.GetTypes();
        }
        catch (ReflectionTypeLoadException exception)
        {
            var causes = exception.LoaderExceptions.Select(cause => cause?.Message.ReplaceLineEndings(" ")).Distinct();
            throw new PluginRejectedException($"has types that cannot be loaded: {string.Join("; ", causes)}", exception);
        }
    }

    private static void RequireNothingPrivate(Assembly assembly)
    {
        var stray = SharedAssemblies.LoadedPrivately(AssemblyLoadContext.GetLoadContext(assembly)!).ToList();
        if (stray.Count > 0)
        {
            throw new PluginRejectedException(
                $"loaded its own copy of {string.Join(", ", stray.Select(name => $"{name.Name} {name.Version}"))}, which it must share with the host");
        }
    }
}

/// <summary>A plugin does not fit this host. The message completes "the plugin ...".</summary>
internal sealed class PluginRejectedException(string message, Exception? innerException = null) : Exception(message, innerException);
