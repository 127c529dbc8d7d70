using System.Globalization;

namespace Portcullis.Host.Configuration;

/// <summary>Settings of several origins laid over each other: of one key, and of one list as a whole, the last counts.</summary>
internal sealed class SettingsLayers
{
    private readonly SortedDictionary<string, Setting> _settings = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>What holds, by key.</summary>
    public IReadOnlyDictionary<string, Setting> Settings => _settings;

    /// <summary>Lays settings of one origin over those that are there.</summary>
    public void Overlay(IEnumerable<Setting> layer)
    {
        var expanded = layer.SelectMany(Expand).ToList();
        foreach (var key in expanded.Select(setting => ListKey(setting.Key)).Distinct(StringComparer.OrdinalIgnoreCase).ToList())
        {
            RemoveBelow(key);
        }

        foreach (var setting in expanded)
        {
            _settings[setting.Key] = setting;
        }
    }

    /// <summary>The keys of list elements under <paramref name="key"/>, in order of their index.</summary>
    public IEnumerable<Setting> Elements(string key) =>
        _settings.Values.Where(setting => IsElementOf(setting.Key, key)).OrderBy(setting => Index(setting.Key));

    private static IEnumerable<Setting> Expand(Setting setting) =>
        ConfigurationFile.ReadList(setting.Value) switch
        {
            null => [setting],
            [] => [setting with { Value = string.Empty }],
            var list => list.Select((value, index) => setting with { Key = $"{setting.Key}:{index}", Value = value }),
        };

    private void RemoveBelow(string key)
    {
        foreach (var element in Elements(key).Select(setting => setting.Key).Append(key).ToList())
        {
            _settings.Remove(element);
        }
    }

    private static string ListKey(string key) => Index(key) < 0 ? key : key[..key.LastIndexOf(':')];

    private static bool IsElementOf(string key, string list) =>
        Index(key) >= 0 && key.LastIndexOf(':') == list.Length && key.StartsWith(list, StringComparison.OrdinalIgnoreCase);

    private static int Index(string key) =>
        int.TryParse(key.AsSpan(key.LastIndexOf(':') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : -1;
}
