using System.Text.RegularExpressions;
using Xunit;

namespace Portcullis.Architecture.Tests;

public sealed partial class SourceTests
{
    [Fact]
    public void NativeCalls_StandOnly_InNativeFolders()
    {
        var offenders = Sources("src/", "plugins/")
            .Where(file => !file.Contains("/Native/", StringComparison.Ordinal))
            .Where(file => NativeImport().IsMatch(Read(file)));

        Assert.Empty(offenders);
    }

    [Fact]
    public void LogEventIds_InTheProduct_AreUnique()
    {
        var ids = Sources("src/", "plugins/")
            .SelectMany(file => LogMessage().Matches(Read(file)).Select(match => (Id: match.Groups["id"].Value, File: file)))
            .ToList();

        Assert.NotEmpty(ids);
        Assert.Empty(ids.GroupBy(entry => entry.Id).Where(group => group.Count() > 1)
            .Select(group => $"{group.Key}: {string.Join(", ", group.Select(entry => entry.File))}"));
    }

    [Fact]
    public void LogCalls_InTheProduct_AreGenerated()
    {
        var offenders = Sources("src/", "plugins/").Where(file => DirectLog().IsMatch(Read(file)));

        Assert.Empty(offenders);
    }

    [Fact]
    public void PluginFolders_AsBuilt_HoldNoAssemblyOfTheHost()
    {
        var binaries = Path.Combine(Repository.Root, "artifacts", "bin");
        var shared = new[] { "Portcullis.Abstractions.dll", "Portcullis.Policy.dll", "portcullis.dll" };
        var strays = Repository.Projects
            .Where(project => project.StartsWith("plugins/", StringComparison.Ordinal))
            .Select(project => Path.Combine(binaries, Path.GetFileNameWithoutExtension(project)))
            .Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.dll", SearchOption.AllDirectories))
            .Where(file => shared.Contains(Path.GetFileName(file)) || Path.GetFileName(file).StartsWith("Microsoft.Extensions.", StringComparison.Ordinal));

        Assert.Empty(strays);
    }

    private static IEnumerable<string> Sources(params string[] folders) =>
        Repository.Files("*.cs").Where(file => folders.Any(folder => file.StartsWith(folder, StringComparison.Ordinal)));

    private static string Read(string file) => File.ReadAllText(Path.Combine(Repository.Root, file));

    [GeneratedRegex(@"\[(LibraryImport|DllImport)\b", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex NativeImport();

    [GeneratedRegex(@"\[LoggerMessage\(\s*(?:EventId\s*=\s*)?(?<id>\d+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex LogMessage();

    [GeneratedRegex(@"\.Log(Trace|Debug|Information|Warning|Error|Critical)\(", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex DirectLog();
}
