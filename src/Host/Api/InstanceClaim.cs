using System.Net.Sockets;

namespace Portcullis.Host.Api;

/// <summary>
/// Makes sure that one agent at a time owns an instance's objects in the kernel: two would undo each other's work. An abstract
/// socket belongs to a network namespace, as interfaces do, and goes with its process, however that ends.
/// </summary>
internal static class InstanceClaim
{
    /// <summary>Claims an instance in this network namespace until the result is disposed or the process ends.</summary>
    /// <exception cref="CommandException">Another agent has it.</exception>
    public static IDisposable Take(string instance)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint($"\0portcullis/{instance}"));
            return socket;
        }
        catch (SocketException exception) when (exception.SocketErrorCode is SocketError.AddressAlreadyInUse)
        {
            socket.Dispose();
            throw new CommandException(
                ExitCode.Usage,
                [$"another agent of instance {instance} runs here with another socket: stop it, or give this one its own node.instance"]);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
