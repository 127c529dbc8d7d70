using Portcullis.Conformance.Generator;
using Portcullis.TestSupport.Fixtures;

namespace Portcullis.Conformance;

/// <summary>
/// Keeps the generated fixtures and their generator together. To write the files anew, run the test executable with
/// <c>PORTCULLIS_WRITE_FIXTURES</c> set to the folder tests/Conformance.Tests/fixtures.
/// </summary>
public sealed class GeneratedFixturesTests
{
    [Fact]
    public void Fixtures_OnDisk_AreWhatTheGeneratorWrites()
    {
        var target = Environment.GetEnvironmentVariable("PORTCULLIS_WRITE_FIXTURES");
        foreach (var (path, content) in FixtureWriter.Cases().SelectMany(FixtureWriter.Files))
        {
            if (target is not null)
            {
                var file = Path.Combine(target, path);
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllText(file, content);
            }
            else
            {
                Assert.Equal(content, File.ReadAllText(Path.Combine(Fixture.Root, path)));
            }
        }
    }

    [Fact]
    public void Cases_Names_AreUnique()
    {
        var names = FixtureWriter.Cases().Select(@case => $"{@case.Group}/{@case.Name}").ToList();

        Assert.Equal(names.Count, names.Distinct().Count());
    }
}
