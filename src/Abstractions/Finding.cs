using Portcullis.Resources;

namespace Portcullis;

/// <summary>How bad a <see cref="Finding"/> is.</summary>
public enum FindingSeverity
{
    /// <summary>Worth knowing; nothing is wrong (for example, an object of a kind that is not used here).</summary>
    Note,

    /// <summary>Accepted, but surely not what the author meant.</summary>
    Warning,

    /// <summary>Rejected, or enforced in its closed form.</summary>
    Error,
}

/// <summary>Something to tell the author of a manifest or the operator of a node.</summary>
/// <param name="Severity">How bad it is.</param>
/// <param name="Position">Where it stands; the default position when it stands nowhere in particular.</param>
/// <param name="Object">What it is about: <c>NetworkPolicy default/web</c>, an interface, a table; empty when it is about the file.</param>
/// <param name="Message">One line: what is wrong and what to do.</param>
public sealed record Finding(FindingSeverity Severity, SourcePosition Position, string Object, string Message)
{
    /// <summary><c>file:line:column: severity: object: message</c>, without the parts that are unknown.</summary>
    public override string ToString()
    {
        var position = Position.ToString();
        var severity = Severity switch { FindingSeverity.Error => "error", FindingSeverity.Warning => "warning", _ => "note" };
        return string.Concat(
            position.Length == 0 ? string.Empty : position + ": ",
            severity,
            ": ",
            Object.Length == 0 ? string.Empty : Object + ": ",
            Message);
    }
}
