using System.Globalization;
using Portcullis.Datapath.Ebpf;
using Portcullis.Host.Demo;
using Portcullis.Host.Native;

namespace Portcullis.Benchmarks.Running;

/// <summary>
/// What this run has put into the kernel, so that an interrupted run leaves nothing; and what a killed run left, which the next
/// one removes. Names are <c>pcb&lt;process&gt;-&lt;number&gt;</c>.
/// </summary>
internal static class Remains
{
    private const string Prefix = "pcb";

    private static readonly Lock Gate = new();

    private static readonly Lock Changing = new();

    private static readonly HashSet<IDisposable> Owned = [];
    private static int _number;

    /// <summary>A name for namespaces and instances that nobody else uses.</summary>
    public static string NewName() => $"{Prefix}{Environment.ProcessId}-{Interlocked.Increment(ref _number)}";

    /// <summary>
    /// Held while something is made and noted, and while something noted is disposed of: whoever ends the run waits for it, and nothing is
    /// made any more once everything is being removed.
    /// </summary>
    public static Lock.Scope Change() => Changing.EnterScope();

    /// <summary>Notes something to be disposed of when the run ends, however it ends.</summary>
    public static void Own(IDisposable something)
    {
        lock (Gate)
        {
            Owned.Add(something);
        }
    }

    /// <summary>Whether it was still noted: only one of two threads disposes of it.</summary>
    public static bool Disown(IDisposable something)
    {
        lock (Gate)
        {
            return Owned.Remove(something);
        }
    }

    /// <summary>Disposes of everything noted, and of what the whole run had.</summary>
    public static void RemoveAll()
    {
        RemoveOwned();
        try
        {
            BpfFileSystem.UnmountOwn();
        }
        catch (IOException exception)
        {
            Console.Error.WriteLine($"could not remove everything: {exception.Message}");
        }
    }

    /// <summary>Disposes of everything noted.</summary>
    public static void RemoveOwned()
    {
        using var changing = Change();
        while (true)
        {
            IDisposable? next;
            lock (Gate)
            {
                next = Owned.FirstOrDefault();
            }

            if (next is null)
            {
                return;
            }

            try
            {
                next.Dispose();
            }
            catch (Exception exception)
            {
                // The others are still to be removed; whoever runs this has to know what stays.
                Disown(next);
                Console.Error.WriteLine($"could not remove everything: {exception.Message}");
            }
        }
    }

    /// <summary>Removes what runs left behind that are no more.</summary>
    public static void RemoveOthers()
    {
        var names = Names("/run/netns").Concat(Names(EbpfPaths.Root)).Concat(Names(Path.GetTempPath()))
            .Select(name => name.Split('-')[0]).Distinct().Where(IsOfADeadProcess);
        foreach (var name in names.ToList())
        {
            PodNetwork.RemoveRemains(name).ToList().ForEach(removed => Console.Error.WriteLine($"removed namespace {removed}, which a killed run left"));
            foreach (var folder in new[] { EbpfPaths.Root, Path.GetTempPath() }.SelectMany(root => Folders(root, name + "-")))
            {
                Directory.Delete(folder, recursive: true);
                Console.Error.WriteLine($"removed {folder}, which a killed run left");
            }
        }

        if (Directory.Exists(EbpfPaths.Root) && !Directory.EnumerateFileSystemEntries(EbpfPaths.Root).Any())
        {
            Directory.Delete(EbpfPaths.Root);
        }
    }

    private static bool IsOfADeadProcess(string name) =>
        int.TryParse(name.AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var process) && !Directory.Exists($"/proc/{process}");

    private static IEnumerable<string> Names(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder, Prefix + "*").Select(path => Path.GetFileName(path)) : [];

    private static string[] Folders(string root, string prefix) =>
        Directory.Exists(root) ? Directory.GetDirectories(root, prefix + "*") : [];
}
