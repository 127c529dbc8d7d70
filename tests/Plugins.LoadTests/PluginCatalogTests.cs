using Portcullis.Host.Plugins;
using Portcullis.Rules;
using Xunit;

namespace Portcullis.Plugins.LoadTests;

public sealed class PluginCatalogTests
{
    [Fact]
    public async Task Load_SoundPlugins_AreActiveAndOfferWhatTheySay()
    {
        using var folder = new PluginFolder().With("GoodSource").With("GoodDatapath");

        await using var catalog = folder.Load();

        Assert.Empty(folder.Errors);
        Assert.All(catalog.Reports, report => Assert.Equal((PluginState.Active, string.Empty), (report.State, report.Reason)));
        Assert.Equal(["datapath:good", "source:good"], catalog.Sections.Order(StringComparer.Ordinal));
        Assert.Equal("good", catalog.Find(PluginKind.Source, "good", out _)!.CreateSource()!.Name);
        var datapath = catalog.Find(PluginKind.Datapath, "good", out _)!.CreateDatapath();
        Assert.IsType<MeasuredDatapath>(datapath);
        var result = await datapath.ApplyAsync(new ChangeSet { Revision = 1, Replace = true }, TestContext.Current.CancellationToken);
        Assert.Empty(result.Problems);
    }

    [Fact]
    public async Task Load_MixOfSoundAndBroken_EachEndsWithItsOwnReason()
    {
        using var folder = new PluginFolder()
            .With("GoodSource")
            .With("ThrowingDatapath")
            .With("UnsupportedDatapath")
            .With("NewerSource")
            .With("NoModule")
            .With("TwoModules")
            .With("MissingDependency")
            .With("IncompleteSource")
            .WithFile("Garbage", "Garbage.dll", "this is no assembly"u8.ToArray())
            .WithFile("Empty", "readme.txt", []);

        await using var catalog = folder.Load();

        var reports = catalog.Reports.ToDictionary(report => Path.GetFileName(report.Folder));
        Assert.Equal(PluginState.Active, reports["GoodSource"].State);
        Expect("ThrowingDatapath", PluginState.Failed, "no luck today");
        Expect("UnsupportedDatapath", PluginState.Unsupported, "warp drive: install the package dilithium");
        Expect("NewerSource", PluginState.Failed, "was built against Portcullis.Abstractions 2.0.0.0, this host has 1.0.0.0");
        Expect("NoModule", PluginState.Failed, "has no class that implements IPluginModule");
        Expect("TwoModules", PluginState.Failed, "FirstModule, SecondModule");
        Expect("MissingDependency", PluginState.Failed, "Dependency, Version=");
        Expect("IncompleteSource", PluginState.Failed, "IForgotten");
        Expect("Garbage", PluginState.Failed, "BadImageFormatException");
        Expect("Empty", PluginState.Failed, "has no Portcullis.Empty.dll");
        Assert.NotNull(catalog.Find(PluginKind.Source, "good", out _)!.CreateSource());
        return;

        void Expect(string folder, PluginState state, string reason)
        {
            Assert.Equal(state, reports[folder].State);
            Assert.Contains(reason, reports[folder].Reason, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', reports[folder].Reason);
        }
    }

    [Fact]
    public async Task Load_PluginWithItsOwnCopyOfTheContracts_SharesTheHosts()
    {
        using var folder = new PluginFolder().With("GoodSource").WithOwnAbstractions("GoodSource");

        await using var catalog = folder.Load();

        Assert.Equal((PluginState.Active, string.Empty), (catalog.Reports[0].State, catalog.Reports[0].Reason));
        Assert.IsAssignableFrom<Sources.IPolicySource>(catalog.Find(PluginKind.Source, "good", out _)!.CreateSource());
    }

    [Fact]
    public async Task Load_NewerPluginWithoutItsContracts_SaysWhatItWasBuiltAgainst()
    {
        using var folder = new PluginFolder().With("NewerSource", without: "Portcullis.Abstractions.dll");

        await using var catalog = folder.Load();

        Assert.Equal(PluginState.Failed, catalog.Reports[0].State);
        Assert.Contains("2.0.0.0", catalog.Reports[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Load_BadSectionsOfSeveralPlugins_AreAllReported()
    {
        using var folder = new PluginFolder().With("GoodSource").With("GoodDatapath");

        await using var catalog = folder.Load(("source:good:tone", "loud"), ("datapath:good:speed", "fast"), ("source:good:greeting", "hi"));

        Assert.Equal(["datapath.good.speed: unknown key", "source.good.tone: unknown key"], folder.Errors.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Find_PluginThatIsNotThere_SaysWhatIs()
    {
        using var folder = new PluginFolder().With("GoodSource").With("UnsupportedDatapath");
        await using var catalog = folder.Load();

        Assert.Null(catalog.Find(PluginKind.Source, "file", out var missing));
        Assert.Equal($"no source plugin 'file' in {folder.Path} (there: good)", missing);
        Assert.Null(catalog.Find(PluginKind.Datapath, "unsupported", out var unsupported));
        Assert.Equal("plugin 'unsupported' is unsupported: warp drive: install the package dilithium", unsupported);
    }

    [Fact]
    public async Task Load_FolderIsMissing_IsOneClearLine()
    {
        var folder = new PluginFolder();
        folder.Dispose();

        await using var catalog = folder.Load();

        Assert.Equal([$"plugin folder {folder.Path} does not exist: install the plugins there or set plugins.path"], folder.Errors);
        Assert.False(catalog.IsFolderThere);
    }
}
