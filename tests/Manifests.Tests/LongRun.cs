using System.Globalization;

namespace Portcullis.Policy.Manifests;

/// <summary>How hard the tests try: <c>PORTCULLIS_FUZZ_SECONDS</c> makes the fuzz test longer and the huge files 50 MB.</summary>
internal static class LongRun
{
    private static readonly string? Asked = Environment.GetEnvironmentVariable("PORTCULLIS_FUZZ_SECONDS");

    public static int FuzzSeconds => Asked is null ? 4 : int.Parse(Asked, CultureInfo.InvariantCulture);

    public static int HugeFile => (Asked is null ? 1 : 50) * 1024 * 1024;
}
