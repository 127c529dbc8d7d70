using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>The findings of one file (null: of an API server, whose objects stand nowhere), as many as <see cref="ManifestLimits.FindingsPerFile"/>; the last one says that there are more.</summary>
internal sealed class FindingLog(string? file)
{
    private readonly List<Finding> _findings = [];

    public IReadOnlyList<Finding> Findings => _findings;

    public void Add(FindingSeverity severity, int line, int column, string subject, string message)
    {
        if (_findings.Count < ManifestLimits.FindingsPerFile)
        {
            _findings.Add(new Finding(severity, PositionAt(line, column), subject, message));
        }
        else if (_findings.Count == ManifestLimits.FindingsPerFile)
        {
            _findings.Add(new Finding(
                FindingSeverity.Error, PositionAt(line, column), string.Empty, $"more than {ManifestLimits.FindingsPerFile} findings; the rest is not listed"));
        }
    }

    private SourcePosition PositionAt(int line, int column) => file is null ? default : new(file, line, column);
}
