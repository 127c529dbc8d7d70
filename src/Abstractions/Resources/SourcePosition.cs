namespace Portcullis.Resources;

/// <summary>Where an object or a part of it was written. The default value means nowhere known, as for objects from an API server.</summary>
/// <param name="File">The file's path as the user gave it.</param>
/// <param name="Line">The line, counted from 1; 0 when unknown.</param>
/// <param name="Column">The column, counted from 1; 0 when unknown.</param>
public readonly record struct SourcePosition(string? File, int Line, int Column = 0)
{
    /// <summary><c>file:line:column</c> without the unknown parts; empty when nothing is known.</summary>
    public override string ToString() => (File, Line, Column) switch
    {
        (null, _, _) => string.Empty,
        (_, 0, _) => File,
        (_, _, 0) => $"{File}:{Line}",
        _ => $"{File}:{Line}:{Column}",
    };
}
