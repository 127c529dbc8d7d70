using System.Collections;
using Microsoft.Extensions.Configuration;

namespace Portcullis.Host.Configuration;

/// <summary>The configuration of one command: file, environment and <c>--set</c> put together.</summary>
internal sealed class AgentConfiguration
{
    /// <summary>The file that is read when none is named and it exists.</summary>
    public const string DefaultFile = "/etc/portcullis/portcullis.yaml";

    private const string EnvironmentPrefix = "PORTCULLIS__";

    /// <summary>Keys of plugins that users' files name whether or not the plugin is installed.</summary>
    private static readonly string[] WellKnownPluginKeys = ["source:file:paths", "source:kubernetes:kubeconfig"];

    private readonly SettingsLayers _layers = new();
    private readonly OptionsReader _reader;
    private readonly List<string> _errors = [];

    private AgentConfiguration(ConfigurationArguments arguments, IDictionary environment)
    {
        _reader = new OptionsReader(_layers, _errors);
        var file = arguments.File ?? (arguments.UseDefaultFile && File.Exists(DefaultFile) ? DefaultFile : null);
        if (file is not null)
        {
            _layers.Overlay(ConfigurationFile.Read(file, _errors));
        }

        _layers.Overlay(FromEnvironment(environment));
        _layers.Overlay(FromArguments(arguments.Sets));
        var nodeName = environment["NODE_NAME"] as string;
        Options = _reader.Read(string.IsNullOrEmpty(nodeName) ? Environment.MachineName : nodeName);
        Root = new ConfigurationBuilder()
            .AddInMemoryCollection(_layers.Settings.Values.Select(setting => KeyValuePair.Create(setting.Key, (string?)setting.Value)))
            .Build();
    }

    /// <summary>The host's options; defaults stand in for what is wrong.</summary>
    public AgentOptions Options { get; }

    /// <summary>Everything as plugins see it.</summary>
    public IConfigurationRoot Root { get; }

    /// <summary>Reads the configuration; <see cref="Errors"/> says what is wrong with it.</summary>
    public static AgentConfiguration Load(ConfigurationArguments arguments, IDictionary environment) => new(arguments, environment);

    /// <summary>Everything that is wrong with what the host knows about.</summary>
    /// <param name="pluginSections">
    /// The sections that plugins answer for, <c>source:file</c>; null when no plugin was looked for: then every such section passes.
    /// </param>
    public IReadOnlyList<string> Errors(IReadOnlyCollection<string>? pluginSections) =>
        [.. _errors, .. _layers.Settings.Values.Where(setting => !IsKnown(setting.Key, pluginSections)).Select(Unknown)];

    private bool IsKnown(string key, IReadOnlyCollection<string>? pluginSections)
    {
        if (_reader.KnownKeys.Contains(key) || WellKnownPluginKeys.Any(known => IsAtOrBelow(key, known)))
        {
            return true;
        }

        return pluginSections is null
            ? key.Count(c => c == ':') >= 2 && (IsAtOrBelow(key, "source") || IsAtOrBelow(key, "datapath"))
            : pluginSections.Any(section => IsAtOrBelow(key, section));
    }

    private string Unknown(Setting setting)
    {
        var below = _reader.KnownKeys.Where(known => IsAtOrBelow(known, setting.Key)).ToList();
        if (below.Count > 0)
        {
            return $"{setting.Origin}: {setting.DisplayKey}: is a section and takes no value of its own";
        }

        var near = Suggestion.For(setting.Key, _reader.KnownKeys.Concat(WellKnownPluginKeys));
        var hint = near is null ? string.Empty : $"; did you mean {near.Replace(':', '.')}?";
        return $"{setting.Origin}: {setting.DisplayKey}: unknown key{hint}";
    }

    private IEnumerable<Setting> FromArguments(IEnumerable<string> sets)
    {
        foreach (var set in sets)
        {
            var equals = set.IndexOf('=', StringComparison.Ordinal);
            if (equals <= 0)
            {
                _errors.Add($"--set {set}: expected section.key=value");
                continue;
            }

            yield return new(set[..equals].Trim().Replace('.', ':'), set[(equals + 1)..], "--set");
        }
    }

    private static IEnumerable<Setting> FromEnvironment(IDictionary environment) =>
        from DictionaryEntry variable in environment
        let name = (string)variable.Key
        where name.StartsWith(EnvironmentPrefix, StringComparison.Ordinal)
        orderby name
        select new Setting(name[EnvironmentPrefix.Length..].Replace("__", ":", StringComparison.Ordinal), (string?)variable.Value ?? string.Empty, name);

    private static bool IsAtOrBelow(string key, string section) =>
        key.StartsWith(section, StringComparison.OrdinalIgnoreCase) && (key.Length == section.Length || key[section.Length] == ':');
}

/// <summary>What the command line says about configuration.</summary>
/// <param name="File">The file named, or null.</param>
/// <param name="Sets">The values of <c>--set</c>, in order.</param>
/// <param name="UseDefaultFile">Whether the default file is read when none is named.</param>
internal sealed record ConfigurationArguments(string? File, IReadOnlyList<string> Sets, bool UseDefaultFile = true);
