using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Portcullis.Policy.Manifests;

/// <summary>What a YAML scalar means to Kubernetes, whose reader follows YAML 1.1 with a few liberties and then goes through JSON.</summary>
/// <remarks>A single y or n is a string, as most writers of YAML take it to be: they leave such names without quotes.</remarks>
internal static partial class YamlScalars
{
    private const string CoreTag = "tag:yaml.org,2002:";

    /// <summary>The kind and JSON text of a scalar; null when the tag does not fit or is unknown.</summary>
    public static (NodeKind Kind, string Text)? Resolve(string text, string? tag, bool plain)
    {
        if (tag is null)
        {
            return plain ? ResolvePlain(text) : (NodeKind.String, text);
        }

        if (tag is "!" or CoreTag + "str" or CoreTag + "timestamp")
        {
            return (NodeKind.String, text);
        }

        if (tag == CoreTag + "binary")
        {
            return DecodeBinary(text);
        }

        var resolved = ResolvePlain(text);
        return (tag, resolved.Kind) switch
        {
            (CoreTag + "int", NodeKind.Integer) => resolved,
            (CoreTag + "float", NodeKind.Integer or NodeKind.Float) => resolved,
            (CoreTag + "bool", NodeKind.Boolean) => resolved,
            (CoreTag + "null", NodeKind.Null) => resolved,
            _ => null,
        };
    }

    private static (NodeKind Kind, string Text) ResolvePlain(string text)
    {
        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return (NodeKind.Null, string.Empty);
            case "yes" or "Yes" or "YES" or "true" or "True" or "TRUE" or "on" or "On" or "ON":
                return (NodeKind.Boolean, "true");
            case "no" or "No" or "NO" or "false" or "False" or "FALSE" or "off" or "Off" or "OFF":
                return (NodeKind.Boolean, "false");
            case ".nan" or ".NaN" or ".NAN" or ".inf" or ".Inf" or ".INF" or "+.inf" or "+.Inf" or "+.INF" or "-.inf" or "-.Inf" or "-.INF":
                return (NodeKind.Float, text);
        }

        // Longer text is no number anybody means, and the conversions need not see it.
        return text.Length <= 64 && (char.IsAsciiDigit(text[0]) || text[0] is '+' or '-' or '.') && ResolveNumber(text) is { } number
            ? number
            : (NodeKind.String, text);
    }

    private static (NodeKind Kind, string Text)? ResolveNumber(string text)
    {
        var plain = text.Replace("_", string.Empty, StringComparison.Ordinal);
        if (TryParseInteger(plain, out var integer))
        {
            return (NodeKind.Integer, integer.ToString(CultureInfo.InvariantCulture));
        }

        if (!FloatPattern().IsMatch(plain))
        {
            return null;
        }

        // A float without a fraction is written to JSON as an integer.
        var value = double.Parse(plain, NumberStyles.Float, CultureInfo.InvariantCulture);
        return Math.Abs(value) < 1e15 && Math.Floor(value) == value
            ? (NodeKind.Integer, ((long)value).ToString(CultureInfo.InvariantCulture))
            : (NodeKind.Float, text);
    }

    /// <summary>Reads decimal, 0x, 0o, 0b and, as in YAML 1.1, octal with a leading zero.</summary>
    private static bool TryParseInteger(string text, out Int128 value)
    {
        value = 0;
        var digits = text.AsSpan();
        var negative = digits.StartsWith('-');
        if (negative || digits.StartsWith('+'))
        {
            digits = digits[1..];
        }

        var radix = 10;
        if (digits.Length > 1 && digits[0] == '0')
        {
            radix = char.ToLowerInvariant(digits[1]) switch { 'x' => 16, 'b' => 2, _ => 8 };
            digits = char.ToLowerInvariant(digits[1]) is 'x' or 'b' or 'o' ? digits[2..] : digits[1..];
        }

        if (digits.IsEmpty)
        {
            return false;
        }

        foreach (var digit in digits)
        {
            var number = char.IsAsciiHexDigit(digit) ? Convert.ToInt32(digit.ToString(), 16) : radix;
            value = (value * radix) + number;
            if (number >= radix || value > ulong.MaxValue)
            {
                return false;
            }
        }

        value = negative ? -value : value;
        return value >= long.MinValue;
    }

    private static (NodeKind Kind, string Text)? DecodeBinary(string text)
    {
        var buffer = new byte[text.Length];
        return Convert.TryFromBase64String(text, buffer, out var length)
            ? (NodeKind.String, Encoding.UTF8.GetString(buffer, 0, length))
            : null;
    }

    [GeneratedRegex(@"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex FloatPattern();
}
