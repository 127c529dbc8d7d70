using System.Text;
using Portcullis.Resources;

namespace Portcullis.Sources.Files;

public sealed class FileSourceTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Start_FolderWithFiles_SyncsWithAllObjects()
    {
        _folder.Write("b.yaml", TempFolder.Policy("two", "three"));
        _folder.Write("a.yml", TempFolder.Policy("one"));
        _folder.Write("c.json", """{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"space"}}""");
        _folder.Write("readme.txt", "not a manifest");
        File.CreateSymbolicLink(_folder[".#a.yml"], "user@host.1");
        await using var watch = await Watch.StartAsync(_folder.Root);

        Assert.Equal(["one", "space", "three", "two"], watch.Names);
        Assert.Equal(3, watch.Accepted);
        Assert.Empty(watch.Problems);
        Assert.Equal(_folder["a.yml"], watch.World.Values.Single(resource => resource.Name == "one").Position.File);
    }

    [Fact]
    public async Task Start_MissingPath_SyncsAndReports()
    {
        await using var watch = await Watch.StartAsync(_folder["nowhere"]);

        Assert.Empty(watch.World);
        Assert.Contains(watch.Problems, problem => problem.Position.File == _folder["nowhere"] && problem.Severity == FindingSeverity.Error);
    }

    [Fact]
    public async Task Rename_OverFile_IsOneAcceptedChange()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Save("a.yaml", TempFolder.Policy("two"));
        await watch.UntilNamesAsync("two");

        Assert.Equal(2, watch.Accepted);
        Assert.Equal(2, watch.Batches.Count);
    }

    [Fact]
    public async Task Rename_SameContent_IsAcceptedWithoutChanges()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        for (var i = 0; i < 5; i++)
        {
            _folder.Save("a.yaml", TempFolder.Policy("one"));
            var batch = await watch.NextAsync("the save");

            Assert.Empty(batch.Changes);
            Assert.Equal(1, batch.Accepted);
        }
    }

    [Fact]
    public async Task Save_InPlace_IsOneAcceptedChange()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Write("a.yaml", TempFolder.Policy("two"));
        var batch = await watch.NextAsync("the save");

        Assert.Equal(["two"], watch.Names);
        Assert.Equal(1, batch.Accepted);
    }

    [Fact]
    public async Task Write_InPiecesWithoutClosing_IsNotReadBeforeItIsWhole()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        _folder.Write("other.yaml", TempFolder.Policy("other"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        await using (var stream = new FileStream(_folder["a.yaml"], FileMode.Truncate))
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(TempFolder.Policy("two")), TestContext.Current.CancellationToken);
            await stream.FlushAsync(TestContext.Current.CancellationToken);

            // A change elsewhere makes the source look while the file is half written.
            _folder.Save("other.yaml", TempFolder.Policy("another"));
            await watch.UntilNamesAsync("another", "one");

            await stream.WriteAsync(Encoding.UTF8.GetBytes("---\n" + TempFolder.Policy("three")), TestContext.Current.CancellationToken);
        }

        var batch = await watch.NextAsync("the closed file");
        Assert.Equal(["another", "three", "two"], watch.Names);
        Assert.Equal(1, batch.Accepted);
    }

    [Fact]
    public async Task Write_NeverClosed_IsReadAfterAPause()
    {
        await using var watch = await Watch.StartAsync(_folder.Root);

        await using var stream = new FileStream(_folder["a.yaml"], FileMode.Create);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(TempFolder.Policy("one")), TestContext.Current.CancellationToken);
        await stream.FlushAsync(TestContext.Current.CancellationToken);

        await watch.UntilNamesAsync("one");
    }

    [Fact]
    public async Task Delete_File_DeletesItsObjects()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        _folder.Write("b.yaml", TempFolder.Policy("two"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        File.Delete(_folder["a.yaml"]);
        var batch = await watch.NextAsync("the deletion");

        Assert.Equal(["two"], watch.Names);
        Assert.Equal(1, batch.Accepted);
    }

    [Fact]
    public async Task EditorSave_RenameAwayThenWriteAnew_NeverDeletes()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        for (var i = 0; i < 20; i++)
        {
            File.Move(_folder["a.yaml"], _folder["a.yaml~"], overwrite: true);
            _folder.Write("a.yaml", $"# save {i}\n" + TempFolder.Policy("one"));
            File.Delete(_folder["a.yaml~"]);
            var batch = await watch.NextAsync("the save");

            Assert.Equal(1, batch.Accepted);
            Assert.DoesNotContain(batch.Changes, change => change.Resource is null);
        }
    }

    [Fact]
    public async Task Broken_File_KeepsItsObjectsAndIsReportedUntilMended()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Save("a.yaml", "apiVersion: networking.k8s.io/v1\nkind: [\n");
        var broken = await watch.NextAsync("the broken file");

        Assert.Equal(["one"], watch.Names);
        Assert.Equal(0, broken.Accepted);
        var problem = Assert.Single(watch.Problems);
        Assert.Equal(_folder["a.yaml"], problem.Position.File);
        Assert.True(problem.Position is { Line: > 1, Column: > 0 });

        _folder.Save("a.yaml", TempFolder.Policy("one"));
        var mended = await watch.NextAsync("the mended file");

        Assert.Empty(watch.Problems);
        Assert.Equal(1, mended.Accepted);
    }

    [Fact]
    public async Task Broken_OneDocument_OthersAreTakenAndNothingIsRemoved()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one", "two"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Save("a.yaml", TempFolder.Policy("three") + "---\nkind: [\n");
        await watch.UntilNamesAsync("one", "three", "two");

        Assert.Single(watch.Problems);
    }

    [Fact]
    public async Task Object_InTwoFiles_FirstWinsAndOtherTakesOver()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        _folder.Write("b.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        Assert.Equal(_folder["a.yaml"], watch.World.Values.Single().Position.File);
        Assert.Equal(_folder["b.yaml"], Assert.Single(watch.Problems).Position.File);

        File.Delete(_folder["a.yaml"]);
        var batch = await watch.NextAsync("the deletion");

        Assert.Single(batch.Changes);
        Assert.Equal(_folder["b.yaml"], watch.World.Values.Single().Position.File);
        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Object_MovedToAnotherFile_IsAnUpsert()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one", "two"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Save("a.yaml", TempFolder.Policy("one"));
        _folder.Save("b.yaml", TempFolder.Policy("two"));
        await watch.UntilAsync("two in b.yaml", () => watch.World.Values.Any(resource => resource.Position.File == _folder["b.yaml"]));

        Assert.DoesNotContain(watch.Batches.SelectMany(batch => batch.Changes), change => change.Resource is null);
    }

    [Fact]
    public async Task Symlink_ConfigMapSwap_IsSeen()
    {
        Directory.CreateDirectory(_folder["..v1"]);
        Directory.CreateDirectory(_folder["..v2"]);
        File.WriteAllText(_folder["..v1/a.yaml"], TempFolder.Policy("one"));
        File.WriteAllText(_folder["..v2/a.yaml"], TempFolder.Policy("two"));
        File.CreateSymbolicLink(_folder["..data"], "..v1");
        File.CreateSymbolicLink(_folder["a.yaml"], "..data/a.yaml");
        await using var watch = await Watch.StartAsync(_folder.Root);
        Assert.Equal(["one"], watch.Names);

        foreach (var (version, name) in new[] { ("..v2", "two"), ("..v1", "one"), ("..v2", "two") })
        {
            _folder.SwapLink("..data", version);
            await watch.UntilNamesAsync(name);
            Assert.Equal(_folder["a.yaml"], watch.World.Values.Single().Position.File);
        }

        Assert.DoesNotContain(watch.Batches, batch => batch.Accepted > 1);
    }

    [Fact]
    public async Task Symlink_FolderSwapped_IsSeen()
    {
        Directory.CreateDirectory(_folder["v1"]);
        Directory.CreateDirectory(_folder["v2"]);
        File.WriteAllText(_folder["v1/a.yaml"], TempFolder.Policy("one"));
        File.WriteAllText(_folder["v2/a.yaml"], TempFolder.Policy("two"));
        File.CreateSymbolicLink(_folder["current"], "v1");
        await using var watch = await Watch.StartAsync(_folder["current"]);

        _folder.SwapLink("current", "v2");
        await watch.UntilNamesAsync("two");

        File.WriteAllText(_folder["v2/b.yaml"], TempFolder.Policy("three"));
        await watch.UntilNamesAsync("three", "two");
    }

    [Fact]
    public async Task Folder_CreatedLaterDeepBelow_IsRead()
    {
        var path = _folder["x/y/z"];
        await using var watch = await Watch.StartAsync(path);

        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "a.yaml"), TempFolder.Policy("one"));
        await watch.UntilNamesAsync("one");
        await watch.UntilAsync("no problems", () => watch.Problems.Count == 0);
    }

    [Fact]
    public async Task Folder_DeletedAndRecreated_IsFollowed()
    {
        var path = _folder["m"];
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "a.yaml"), TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(path);

        for (var i = 0; i < 3; i++)
        {
            Directory.Delete(path, recursive: true);
            await watch.UntilAsync("a problem", () => watch.Problems.Count == 1);
            Directory.CreateDirectory(path);
            File.WriteAllText(Path.Combine(path, "a.yaml"), TempFolder.Policy("two"));
            await watch.UntilNamesAsync("two");
            await watch.UntilAsync("no problems", () => watch.Problems.Count == 0);
        }
    }

    [Fact]
    public async Task Folder_MovedAway_KeepsTheObjectsAndIsReportedUntilItIsBack()
    {
        var path = _folder["m"];
        Directory.CreateDirectory(path);
        File.WriteAllText(Path.Combine(path, "a.yaml"), TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(path);

        Directory.Move(path, _folder["elsewhere"]);
        await watch.UntilAsync("a problem", () => watch.Problems.Count == 1);
        Assert.Contains("stays", watch.Problems[0].Message, StringComparison.Ordinal);
        Assert.Equal(["one"], watch.Names);

        File.WriteAllText(_folder["elsewhere/b.yaml"], TempFolder.Policy("two"));
        File.Delete(_folder["elsewhere/a.yaml"]);
        Directory.Move(_folder["elsewhere"], path);
        await watch.UntilNamesAsync("two");
        await watch.UntilAsync("no problems", () => watch.Problems.Count == 0);
    }

    [Fact]
    public async Task File_GivenItself_IsWatched()
    {
        _folder.Write("only.txt", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder["only.txt"]);
        Assert.Equal(["one"], watch.Names);

        _folder.Save("only.txt", TempFolder.Policy("two"));
        await watch.UntilNamesAsync("two");
    }

    [Fact]
    public async Task Link_Dangling_KeepsTheObjectsAndIsReported()
    {
        _folder.Write("target", TempFolder.Policy("one"));
        File.CreateSymbolicLink(_folder["a.yaml"], "target");
        await using var watch = await Watch.StartAsync(_folder.Root);

        File.Delete(_folder["target"]);
        await watch.UntilAsync("a problem", () => watch.Problems.Count == 1);
        Assert.Equal(["one"], watch.Names);

        _folder.Write("target", TempFolder.Policy("two"));
        await watch.UntilNamesAsync("two");
        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Entry_ThatIsNoFile_DoesNotBlock()
    {
        Directory.CreateDirectory(_folder["sub.yaml"]);
        Assert.Equal(0, TempFolder.MakePipe(_folder["pipe.yaml"]));
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        Assert.Equal(["one"], watch.Names);
        Assert.Equal(_folder["pipe.yaml"], Assert.Single(watch.Problems).Position.File);
    }

    [Fact]
    public async Task Path_GivenTwice_IsReadOnce()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder["a.yaml"], _folder.Root + "/");

        Assert.Equal(1, watch.Accepted);
        Assert.Empty(watch.Problems);
    }

    [Fact]
    public async Task Rescan_WithoutAnyEvent_FindsTheChange()
    {
        _folder.Write("a.yaml", TempFolder.Policy("aaa"));
        await using var watch = await Watch.StartAsync(
            new FileSourceOptions([_folder.Root]) { RescanInterval = TimeSpan.FromMilliseconds(50) });

        // A write through a mapping raises no event until the file is closed.
        using var map = System.IO.MemoryMappedFiles.MemoryMappedFile.CreateFromFile(_folder["a.yaml"]);
        using var view = map.CreateViewAccessor();
        var at = TempFolder.Policy("aaa").IndexOf("aaa", StringComparison.Ordinal);
        view.WriteArray(at, "bbb"u8.ToArray(), 0, 3);
        view.Flush();

        await watch.UntilNamesAsync("bbb");
        Assert.Equal(2, watch.Accepted);
    }

    [Fact]
    public async Task Objects_Unchanged_YieldNoChange()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one", "two"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        _folder.Save("a.yaml", TempFolder.Policy("one", "two", "three"));
        var batch = await watch.NextAsync("the save");

        Assert.Equal("three", Assert.Single(batch.Changes).Key.Name);
    }

    [Fact]
    public async Task Storm_OfSavesAndRemovals_EndsInTheFinalState()
    {
        await using var watch = await Watch.StartAsync(_folder.Root);
        var random = new Random(7);
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < 400; i++)
        {
            var file = $"f{random.Next(8)}.yaml";
            if (random.Next(4) == 0 && expected.Remove(file))
            {
                File.Delete(_folder[file]);
            }
            else
            {
                expected[file] = $"p{file[1]}-{i}";
                Action<string, string> write = random.Next(2) == 0 ? _folder.Save : _folder.Write;
                write(file, TempFolder.Policy(expected[file]));
            }
        }

        _folder.Save("last.yaml", TempFolder.Policy("last"));
        await watch.UntilNamesAsync([.. expected.Values.Append("last").Order(StringComparer.Ordinal)]);
    }

    [Fact]
    public async Task Latency_FromRenameToBatch_IsShort()
    {
        _folder.Write("a.yaml", TempFolder.Policy("one"));
        await using var watch = await Watch.StartAsync(_folder.Root);

        var latencies = new List<TimeSpan>();
        for (var i = 0; i < 50; i++)
        {
            var start = TimeProvider.System.GetTimestamp();
            _folder.Save("a.yaml", TempFolder.Policy($"p{i}"));
            await watch.NextAsync("the save");
            latencies.Add(TimeProvider.System.GetElapsedTime(start));
        }

        latencies.Sort();
        TestContext.Current.TestOutputHelper!.WriteLine($"rename to batch: p50 {latencies[25].TotalMilliseconds:0.0} ms, max {latencies[^1].TotalMilliseconds:0.0} ms");
        Assert.True(latencies[25] < TimeSpan.FromMilliseconds(100), $"p50 {latencies[25]}");
    }
}
