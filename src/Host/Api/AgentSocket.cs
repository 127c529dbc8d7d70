using System.Net.Sockets;

namespace Portcullis.Host.Api;

/// <summary>The file of the admin socket.</summary>
internal static class AgentSocket
{
    private const UnixFileMode FolderMode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const UnixFileMode SocketMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Makes room for a socket: its folder is there, and no stale file of an agent that is gone.</summary>
    /// <exception cref="CommandException">Another agent answers there, or the place cannot be used.</exception>
    public static void Prepare(string path)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, FolderMode);
            if (!Path.Exists(path))
            {
                // Binding a socket tells no reason when the folder is read-only or full; a file does.
                var probe = path + ".new";
                File.WriteAllBytes(probe, [0]);
                File.Delete(probe);
                return;
            }

            if (IsAnswered(path))
            {
                throw new CommandException(
                    ExitCode.Usage,
                    [$"another agent runs with this socket: {path}: stop it, or give this one its own api.socket and node.instance"]);
            }

            File.Delete(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Usage, [$"socket {path} cannot be created: {exception.Message} Run as root or set api.socket."]);
        }
    }

    /// <summary>Closes a bound socket to everybody but its owner. Nobody can have connected: it does not listen yet.</summary>
    public static void Protect(string path) => File.SetUnixFileMode(path, SocketMode);

    private static bool IsAnswered(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.ConnectionRefused or SocketError.AddressNotAvailable)
        {
            return Directory.Exists(path) || new FileInfo(path).Length > 0
                ? throw new CommandException(ExitCode.Usage, [$"{path} is not a socket: remove it or set api.socket"])
                : false;
        }
        catch (SocketException exception)
        {
            throw new CommandException(ExitCode.Usage, [$"socket {path} cannot be used: {exception.Message}: run as root or set api.socket"]);
        }
    }
}
