namespace Portcullis.Benchmarks;

/// <summary>Something the person who runs the benchmarks has to know; one line.</summary>
internal sealed class BenchException(string message, Exception? innerException = null) : Exception(message, innerException);
