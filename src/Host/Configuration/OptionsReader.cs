using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging;
using Portcullis.Datapaths;
using Portcullis.Net;
using Portcullis.Policy;

namespace Portcullis.Host.Configuration;

/// <summary>Turns settings into options. Collects everything that is wrong instead of stopping at the first.</summary>
internal sealed class OptionsReader(SettingsLayers layers, ICollection<string> errors)
{
    /// <summary>The longest path a Unix socket can have on Linux, without the closing zero.</summary>
    private const int MaximumSocketPath = 107;

    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Keys of the host that <see cref="Read"/> has asked for.</summary>
    public IReadOnlySet<string> KnownKeys => _known;

    /// <summary>Reads every section.</summary>
    /// <param name="defaultNodeName">The node's name when the configuration gives none.</param>
    public AgentOptions Read(string defaultNodeName) => new(
        new SourceOptions(Name("source:plugin", "file")),
        new DatapathOptions(Name("datapath:plugin", DatapathOptions.Auto)),
        new EnforcementOptions(
            Choice("enforcement:mode", EnforcementMode.Standard),
            Choice("enforcement:established", EstablishedConnections.Enforce),
            Choice("enforcement:spoofing", Spoofing.Deny) == Spoofing.Allow,
            List("enforcement:interfacePrefixes", ["eni", "vlan", "cali", "veth"], InterfacePrefix)),
        new NodeOptions(
            Value("node:name", defaultNodeName, text => text.Length == 0 ? defaultNodeName : text),
            List("node:addresses", [], Address),
            Value("node:instance", "portcullis", Instance)),
        new ApiOptions(Value("api:socket", "/run/portcullis/agent.sock", Socket)),
        new MetricsOptions(Value("metrics:listen", new IPEndPoint(IPAddress.Loopback, 9465), Listen)),
        new PluginOptions(Value("plugins:path", DefaultPluginPath, text => text.Length == 0 ? DefaultPluginPath : Path.GetFullPath(text))),
        new LoggingOptions(
            Choice("logging:format", LogFormat.Console) == LogFormat.Json,
            Choice("logging:level", LogLevel.Information)));

    private static string DefaultPluginPath => Path.Combine(AppContext.BaseDirectory, "plugins");

    private string Name(string key, string fallback) =>
        Value(key, fallback, text => text.Length > 0 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c))
            ? text
            : throw new FormatException("is not a plugin's name: lower-case letters and digits"));

    private T Choice<T>(string key, T fallback)
        where T : struct, Enum =>
        Value(key, fallback, text => Enum.GetValues<T>().Cast<T?>()
            .FirstOrDefault(value => string.Equals(value.ToString(), text, StringComparison.OrdinalIgnoreCase))
            ?? throw new FormatException($"is none of {string.Join(", ", Enum.GetNames<T>().Select(name => name.ToLowerInvariant()))}"));

    private T Value<T>(string key, T fallback, Func<string, T> parse)
    {
        _known.Add(key);
        return layers.Settings.TryGetValue(key, out var setting) ? Parse(setting with { Key = key }, fallback, parse) : fallback;
    }

    private IReadOnlyList<T> List<T>(string key, IReadOnlyList<T> fallback, Func<string, T> parse)
    {
        _known.Add(key);
        var elements = layers.Elements(key).ToList();
        _known.UnionWith(elements.Select(element => element.Key));
        if (layers.Settings.TryGetValue(key, out var whole))
        {
            var parts = whole.Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
            elements.AddRange(parts.Select(part => whole with { Value = part }));
        }
        else if (elements.Count == 0)
        {
            return fallback;
        }

        return [.. elements.Select(element => Parse(element, default!, parse))];
    }

    private T Parse<T>(Setting setting, T fallback, Func<string, T> parse)
    {
        try
        {
            return parse(setting.Value.Trim());
        }
        catch (FormatException exception)
        {
            errors.Add($"{setting.Origin}: {setting.DisplayKey}: '{setting.Value}' {exception.Message}");
            return fallback;
        }
    }

    private static IpAddress Address(string text) =>
        IpAddress.TryParse(text, out var address) ? address : throw new FormatException("is not an IP address");

    private static string InterfacePrefix(string text) =>
        text.Length is > 0 and < 16 && !text.Contains('/', StringComparison.Ordinal)
            ? text
            : throw new FormatException("is not the beginning of an interface name: 1 to 15 characters without '/'");

    private static string Instance(string text) =>
        text.Length is > 0 and < 16 && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
            ? text
            : throw new FormatException("is not an instance name: 1 to 15 characters of a-z, 0-9 and -");

    private static string Socket(string text)
    {
        if (text.Length == 0)
        {
            throw new FormatException("is empty: the socket needs a path");
        }

        var path = Path.GetFullPath(text);
        return Encoding.UTF8.GetByteCount(path) <= MaximumSocketPath
            ? path
            : throw new FormatException($"is longer than the {MaximumSocketPath} bytes a socket's path can have");
    }

    private static IPEndPoint? Listen(string text)
    {
        if (text.Length == 0)
        {
            return null;
        }

        var colon = text.LastIndexOf(':');
        var host = colon < 0 ? string.Empty : text[..colon];
        var isPort = ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port);
        var address = host switch
        {
            "localhost" => IPAddress.Loopback,
            ['[', .. var inner, ']'] when IPAddress.TryParse(inner, out var ipv6) => ipv6,
            _ => IpAddress.TryParse(host, out var ip) && ip.Family == IpFamily.IPv4 ? ip.ToIPAddress() : null,
        };
        return isPort && address is not null
            ? new IPEndPoint(address, port)
            : throw new FormatException("is not address:port, for example 127.0.0.1:9465 or [::1]:9465");
    }

    private enum Spoofing
    {
        Deny,
        Allow,
    }

    private enum LogFormat
    {
        Console,
        Json,
    }
}
