using Portcullis.Host.Api;

namespace Portcullis.Host.Commands;

/// <summary>Findings for people.</summary>
internal static class FindingText
{
    /// <summary><c>file:line: severity: object: message</c>, without the parts that are unknown.</summary>
    public static string Of(FindingDto finding)
    {
        var position = finding switch { { File: null } => string.Empty, { Line: null } => $"{finding.File}: ", _ => $"{finding.File}:{finding.Line}: " };
        var subject = finding.Object.Length == 0 ? string.Empty : $"{finding.Object}: ";
        return $"{position}{finding.Severity}: {subject}{finding.Message}";
    }
}
