using System.Text;
using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables.Native;

/// <summary>Listens for changes that anybody makes to the tables of nf_tables that an instance has chains in.</summary>
internal sealed class NfTablesEvents : IDisposable
{
    private const int RulesetChangesGroup = 7;
    private const int MaxDatagram = 1 << 16;

    // Names are attributes that end with a zero byte.
    private static readonly byte[][] Tables = [.. new[] { "security\0", "mangle\0", "raw\0" }.Select(Encoding.ASCII.GetBytes)];

    private readonly NetfilterSocket _socket = new();
    private readonly Action _onChange;
    private readonly Action<DatapathException> _onFailure;

    /// <summary>Starts listening, in the network namespace of the calling thread.</summary>
    /// <param name="onChange">Called on a thread of its own for every change, those of this process included.</param>
    /// <param name="onFailure">Called there when listening ended by itself.</param>
    /// <exception cref="DatapathException">The kernel refused.</exception>
    public NfTablesEvents(Action onChange, Action<DatapathException> onFailure)
    {
        _onChange = onChange;
        _onFailure = onFailure;
        try
        {
            _socket.Join(RulesetChangesGroup);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }

        new Thread(Listen) { IsBackground = true, Name = "portcullis-nftables" }.Start();
    }

    /// <summary>Stops listening.</summary>
    public void Dispose() => _socket.WakeUp();

    private void Listen()
    {
        using (_socket)
        {
            try
            {
                var buffer = new byte[MaxDatagram];
                while (_socket.Wait())
                {
                    // What was lost may have been of interest.
                    var received = _socket.Receive(buffer, out var length);
                    if (received == NetfilterReceive.Lost || (received == NetfilterReceive.Data && IsOfInterest(buffer.AsSpan(0, length))))
                    {
                        _onChange();
                    }
                }
            }
            catch (DatapathException failure)
            {
                _onFailure(failure);
            }
        }
    }

    private static bool IsOfInterest(ReadOnlySpan<byte> message)
    {
        foreach (var table in Tables)
        {
            if (message.IndexOf(table) >= 0)
            {
                return true;
            }
        }

        return false;
    }
}
