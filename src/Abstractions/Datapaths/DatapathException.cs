namespace Portcullis.Datapaths;

/// <summary>The kernel, or a program that talks to it, refused.</summary>
public class DatapathException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="message">One line: what was attempted on what, what came back, what to do.</param>
    /// <param name="isTransient">Whether the same attempt may succeed later.</param>
    /// <param name="innerException">The cause, or null.</param>
    public DatapathException(string message, bool isTransient = false, Exception? innerException = null)
        : base(message, innerException) => IsTransient = isTransient;

    /// <summary>Whether the same attempt may succeed later.</summary>
    public bool IsTransient { get; }
}
