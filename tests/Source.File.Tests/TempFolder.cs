using System.Runtime.InteropServices;

namespace Portcullis.Sources.Files;

/// <summary>A folder of a test, removed with everything in it.</summary>
internal sealed partial class TempFolder : IDisposable
{
    private static int _saves;

    public string Root { get; } = Directory.CreateTempSubdirectory("pcfile-").FullName;

    public string this[string name] => Path.Combine(Root, name);

    public static string Policy(params string[] names) =>
        string.Join("---\n", names.Select(name =>
            $"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: {name} }}\nspec: {{ podSelector: {{}} }}\n"));

    public void Write(string name, string text) => File.WriteAllText(this[name], text);

    /// <summary>Saves as careful writers do: a file beside it, renamed over it.</summary>
    public void Save(string name, string text)
    {
        var beside = this[$".{name}.{Interlocked.Increment(ref _saves)}.tmp"];
        File.WriteAllText(beside, text);
        File.Move(beside, this[name], overwrite: true);
    }

    /// <summary>Points a link elsewhere in one step, as ConfigMap mounts do; File.Move cannot rename a link to a folder.</summary>
    public void SwapLink(string name, string target)
    {
        File.CreateSymbolicLink(this[".swap"], target);
        Assert.Equal(0, Rename(this[".swap"], this[name]));
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    [LibraryImport("libc", EntryPoint = "rename", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(string from, string to);

    public static int MakePipe(string path) => MakePipe(path, 0x180);

    [LibraryImport("libc", EntryPoint = "mkfifo", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);
}
