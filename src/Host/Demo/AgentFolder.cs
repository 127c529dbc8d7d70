namespace Portcullis.Host.Demo;

/// <summary>The files of one agent in a folder of its own: configuration, watched manifests, socket, log.</summary>
public sealed class AgentFolder : IDisposable
{
    private const int LogTailLines = 20;

    private readonly string _staging;

    /// <summary>Makes the folder anew; what was there is removed.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="nodeName">The node's name.</param>
    /// <param name="instance">What tells this agent's kernel objects apart.</param>
    /// <param name="datapath">The datapath's name, or <c>auto</c>.</param>
    /// <param name="plugins">The folder of plugins; empty: beside the executable.</param>
    public AgentFolder(string path, string nodeName, string instance, string datapath, string plugins = "")
    {
        FullPath = Path.GetFullPath(path);
        Remove(FullPath);
        Directory.CreateDirectory(Manifests);
        _staging = Directory.CreateDirectory(Path.Combine(FullPath, "staging")).FullName;
        File.WriteAllText(Configuration, $$"""
            source:
              plugin: file
              file: { paths: [{{Manifests}}] }
            datapath: { plugin: {{datapath}} }
            node: { name: {{nodeName}}, instance: {{instance}} }
            api: { socket: {{Socket}} }
            metrics: { listen: "" }
            plugins: { path: "{{plugins}}" }

            """);
    }

    /// <summary>The folder.</summary>
    public string FullPath { get; }

    /// <summary>The configuration file.</summary>
    public string Configuration => Path.Combine(FullPath, "portcullis.yaml");

    /// <summary>The watched folder.</summary>
    public string Manifests => Path.Combine(FullPath, "manifests");

    /// <summary>The agent's socket.</summary>
    public string Socket => Path.Combine(FullPath, "agent.sock");

    /// <summary>What the agent prints.</summary>
    public string Log => Path.Combine(FullPath, "agent.log");

    /// <summary>Removes a folder, if it is there.</summary>
    public static void Remove(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>Puts a manifest into the watched folder by a rename, as an editor or <c>kubectl</c>-like tool would.</summary>
    public void Put(string name, string content)
    {
        var staged = Stage(name, content);
        Publish(staged, name);
    }

    /// <summary>Writes a manifest outside the watched folder, on the same file system.</summary>
    /// <returns>Its path.</returns>
    public string Stage(string name, string content)
    {
        var staged = Path.Combine(_staging, name);
        File.WriteAllText(staged, content);
        return staged;
    }

    /// <summary>Renames a staged manifest into the watched folder.</summary>
    public void Publish(string staged, string name) => File.Move(staged, Path.Combine(Manifests, name), overwrite: true);

    /// <summary>Deletes a manifest from the watched folder.</summary>
    public void Delete(string name) => File.Delete(Path.Combine(Manifests, name));

    /// <summary>The last lines of the log.</summary>
    public string LogTail() => File.Exists(Log) ? string.Join('\n', File.ReadLines(Log).TakeLast(LogTailLines)) : "(no log)";

    /// <summary>Removes the folder.</summary>
    public void Dispose() => Remove(FullPath);
}
