using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Portcullis.Host.Native;

/// <summary>A named network namespace (<c>ip netns</c>). Disposing removes it; what runs or is open in it keeps it alive unnamed.</summary>
public sealed class NetworkNamespace : IDisposable
{
    private const string Folder = "/run/netns";

    private readonly SafeFileHandle _handle;

    private NetworkNamespace(string name)
    {
        Name = name;
        _handle = File.OpenHandle(Path.Combine(Folder, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Makes a new namespace whose loopback interface is up.</summary>
    /// <exception cref="IpCommandException">A namespace of that name exists already, or the process is not root.</exception>
    public static NetworkNamespace Create(string name)
    {
        IpCommand.Run("netns", "add", name);
        try
        {
            IpCommand.Run("-n", name, "link", "set", "lo", "up");
            return new NetworkNamespace(name);
        }
        catch
        {
            Delete(name);
            throw;
        }
    }

    /// <summary>The names of this machine's namespaces that start with <paramref name="prefix"/>.</summary>
    public static IReadOnlyList<string> List(string prefix) =>
        Directory.Exists(Folder) ? [.. Directory.EnumerateFiles(Folder, prefix + "*").Select(path => Path.GetFileName(path)).Order()] : [];

    /// <summary>Removes a namespace by name.</summary>
    /// <exception cref="IpCommandException">There is no such namespace, or the process is not root.</exception>
    public static void Delete(string name) => IpCommand.Run("netns", "del", name);

    /// <summary>Runs <paramref name="function"/> inside the namespace, on a thread of its own, and returns its result.</summary>
    /// <remarks>
    /// Sockets belong to the namespace they were created in, wherever they are used later; child processes start in the namespace
    /// of the thread that starts them. Nothing awaited in <paramref name="function"/> would stay on the thread.
    /// </remarks>
    public T Run<T>(Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        T? result = default;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Enter();
                result = function();
            }
            catch (Exception exception)
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }
        }) { IsBackground = true, Name = Name };
        thread.Start();
        thread.Join();
        failure?.Throw();
        return result!;
    }

    /// <summary>As <see cref="Run{T}"/>, without a result.</summary>
    public void Run(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Run(() =>
        {
            action();
            return true;
        });
    }

    /// <summary>Executes <c>ip</c> commands inside the namespace, one a line.</summary>
    /// <exception cref="IpCommandException">One failed; those after it were not executed.</exception>
    public void Ip(string commands) => IpCommand.RunBatch(Name, commands);

    /// <summary>Sets a network sysctl of the namespace.</summary>
    /// <param name="path">The path below <c>/proc/sys/net</c>.</param>
    /// <param name="value">The value.</param>
    public void SetSysctl(string path, string value) => Run(() => File.WriteAllText(Path.Combine("/proc/sys/net", path), value));

    /// <summary>Moves the calling thread into the namespace for the rest of its life. Never call it on a pool thread.</summary>
    internal void Enter()
    {
        if (LibC.setns(_handle, LibC.CLONE_NEWNET) < 0)
        {
            throw NativeException.Last($"entering network namespace {Name}");
        }
    }

    /// <summary>Removes the namespace, unless somebody else already did.</summary>
    public void Dispose()
    {
        if (!_handle.IsClosed)
        {
            _handle.Dispose();
            if (File.Exists(Path.Combine(Folder, Name)))
            {
                Delete(Name);
            }
        }
    }
}
