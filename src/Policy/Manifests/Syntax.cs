namespace Portcullis.Policy.Manifests;

/// <summary>The syntax of names, labels and ports as the API server checks it. Each method returns what is wrong, or null.</summary>
internal static class Syntax
{
    private const int MaxLabel = 63;
    private const int MaxSubdomain = 253;
    private const int MaxPortName = 15;
    private const int MaxInterfaceName = 15;

    /// <summary>A DNS label (RFC 1123): names of namespaces and Services.</summary>
    public static string? DnsLabel(string name) =>
        name.Length > MaxLabel ? $"must be no more than {MaxLabel} characters"
        : IsDnsLabel(name) ? null
        : "must consist of lower case letters, digits and '-', and start and end with a letter or digit";

    /// <summary>A DNS subdomain (RFC 1123): names of most objects.</summary>
    public static string? DnsSubdomain(string name) =>
        name.Length > MaxSubdomain ? $"must be no more than {MaxSubdomain} characters"
        : name.Split('.').All(IsDnsLabel) ? null
        : "must consist of lower case letters, digits, '-' and '.', and start and end with a letter or digit";

    /// <summary>A key of a label or annotation: a name with an optional DNS subdomain and a slash before it.</summary>
    public static string? QualifiedName(string key)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        var name = key[(slash + 1)..];
        if (slash >= 0 && DnsSubdomain(key[..slash]) is { } prefixFault)
        {
            return "prefix " + prefixFault;
        }

        return name.Length is 0 or > MaxLabel || !IsLabelText(name)
            ? $"name must be 1 to {MaxLabel} letters, digits, '-', '_' or '.', starting and ending with a letter or digit"
            : null;
    }

    /// <summary>A label's value; may be empty.</summary>
    public static string? LabelValue(string value) =>
        value.Length <= MaxLabel && (value.Length == 0 || IsLabelText(value))
            ? null
            : $"must be at most {MaxLabel} letters, digits, '-', '_' or '.', starting and ending with a letter or digit";

    /// <summary>A name of a port (IANA service name).</summary>
    public static string? PortName(string name) =>
        name.Length is > 0 and <= MaxPortName
        && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
        && name.Any(char.IsAsciiLetterLower)
        && name[0] != '-' && name[^1] != '-' && !name.Contains("--", StringComparison.Ordinal)
            ? null
            : name.Length > 0 && name.All(char.IsAsciiDigit)
                ? $"{Text.Quote(name)} is the name of a port; write the number without quotes"
                : $"{Text.Quote(name)} is no port name: at most {MaxPortName} lower case letters, digits and '-', with at least one letter";

    /// <summary>A name that a network interface can have.</summary>
    public static string? InterfaceName(string name) =>
        name.Length is > 0 and <= MaxInterfaceName && name is not ("." or "..")
        && !name.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c is '/' or ':')
            ? null
            : $"{Text.Quote(name)} is no interface name: 1 to {MaxInterfaceName} characters without spaces, '/' and ':'";

    private static bool IsDnsLabel(string label) =>
        label.Length > 0
        && label.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
        && label[0] != '-' && label[^1] != '-';

    private static bool IsLabelText(string text) =>
        text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
        && char.IsAsciiLetterOrDigit(text[0]) && char.IsAsciiLetterOrDigit(text[^1]);
}
