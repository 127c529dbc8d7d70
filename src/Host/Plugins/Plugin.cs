using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Portcullis.Datapaths;
using Portcullis.Plugins;
using Portcullis.Sources;

namespace Portcullis.Host.Plugins;

/// <summary>
/// One plugin folder and what it offers. Each plugin has a container of its own, so that what one of them registers
/// wrongly breaks no other.
/// </summary>
internal sealed class Plugin : IAsyncDisposable
{
    private readonly ServiceProvider? _services;

    private Plugin(PluginReport report, ServiceProvider? services)
    {
        Report = report;
        _services = services;
    }

    /// <summary>What became of it.</summary>
    public PluginReport Report { get; private set; }

    /// <summary>Loads the plugin in a folder. Whatever goes wrong becomes the reason in <see cref="Report"/>.</summary>
    public static Plugin Load(string folder, PluginHostServices host, IConfiguration configuration, ICollection<string> errors)
    {
        var report = new PluginReport(NameFromFolder(folder), null, PluginState.Failed, string.Empty, null, folder);
        try
        {
            var file = PluginAssembly.FindFile(folder)
                ?? throw new PluginRejectedException($"has no Portcullis.{Path.GetFileName(folder)}.dll in its folder");
            var assembly = PluginAssembly.Load(file);
            report = report with
            {
                Name = assembly.Module.Name,
                Kind = assembly.Module.Kind,
                Version = assembly.Assembly.GetName().Version?.ToString(3),
            };
            var services = CreateServices(assembly, host, configuration.GetSection(report.Section), errors);
            return new Plugin(report with { State = PluginState.Active }, services);
        }
        catch (FeatureNotSupportedException exception)
        {
            return new Plugin(report with { State = PluginState.Unsupported, Reason = exception.Message }, null);
        }
        catch (Exception exception)
        {
            // The boundary to foreign code: a broken plugin must not stop the others, so its exception becomes its reason.
            return new Plugin(report with { Reason = OneLine(exception) }, null);
        }
    }

    /// <summary>Creates the plugin's source.</summary>
    /// <returns>Null when it failed; <see cref="Report"/> then says why.</returns>
    public IPolicySource? CreateSource() => Create<IPolicySource>(source => source.Name);

    /// <summary>Creates the plugin's datapath, decorated by the host.</summary>
    /// <returns>Null when it failed; <see cref="Report"/> then says why.</returns>
    public IDatapath? CreateDatapath() => Create<IDatapath>(datapath => datapath.Name);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _services?.DisposeAsync() ?? ValueTask.CompletedTask;

    private T? Create<T>(Func<T, string> nameOf)
        where T : class
    {
        if (_services is null)
        {
            return null;
        }

        try
        {
            var service = _services.GetRequiredService<T>();
            if (string.Equals(nameOf(service), Report.Name, StringComparison.Ordinal))
            {
                return service;
            }

            Report = Report with { State = PluginState.Failed, Reason = $"its module is named '{Report.Name}' but what it offers '{nameOf(service)}'" };
        }
        catch (FeatureNotSupportedException exception)
        {
            Report = Report with { State = PluginState.Unsupported, Reason = exception.Message };
        }
        catch (Exception exception)
        {
            // As in Load: the plugin's own constructor failed.
            Report = Report with { State = PluginState.Failed, Reason = OneLine(exception) };
        }

        return null;
    }

    private static ServiceProvider CreateServices(
        PluginAssembly assembly, PluginHostServices host, IConfigurationSection section, ICollection<string> errors)
    {
        var services = host.CreateCollection();
        var pluginErrors = new List<string>();
        assembly.Module.Register(services, section, pluginErrors);
        foreach (var error in pluginErrors)
        {
            errors.Add(error);
        }

        if (assembly.Module.Kind == PluginKind.Source)
        {
            Scan<IPolicySource>(services, assembly);
        }
        else
        {
            Scan<IDatapath>(services, assembly);
            services.Decorate<IDatapath, MeasuredDatapath>();
        }

        return services.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
    }

    private static void Scan<T>(IServiceCollection services, PluginAssembly plugin)
        where T : class
    {
        services.Scan(scan => scan
            .FromAssemblies(plugin.Assembly)
            .AddClasses(classes => classes.AssignableTo<T>(), publicOnly: false)
            .As<T>()
            .WithSingletonLifetime());
        var count = services.Count(descriptor => descriptor.ServiceType == typeof(T));
        if (count != 1)
        {
            throw new PluginRejectedException($"has {count} classes that implement {typeof(T).Name}; exactly one is expected");
        }
    }

    private static string NameFromFolder(string folder) => Path.GetFileName(folder).Split('.')[^1].ToLowerInvariant();

    private static string OneLine(Exception exception)
    {
        var cause = exception;
        while (cause is AggregateException or TargetInvocationException && cause.InnerException is { } inner)
        {
            cause = inner;
        }

        var message = cause.Message.ReplaceLineEndings(" ");
        return cause is PluginRejectedException ? message : $"{cause.GetType().Name}: {message}";
    }
}
