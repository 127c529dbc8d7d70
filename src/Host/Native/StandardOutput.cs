using System.Runtime.InteropServices;

namespace Portcullis.Host.Native;

/// <summary>
/// The standard output of the process. Unlike the console's stream it tells when the reader of a pipe is gone, so that a
/// command that goes on printing ends then.
/// </summary>
/// <remarks>Writes go to the shared file offset: standard error may lead to the same file.</remarks>
internal sealed unsafe class StandardOutput : Stream
{
    private const int Descriptor = 1;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="CommandException">It cannot be written to; without a message when its reader is gone.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            nint written;
            fixed (byte* start = buffer)
            {
                written = LibC.write(Descriptor, start, buffer.Length);
            }

            if (written < 0)
            {
                WaitOrThrow(Marshal.GetLastPInvokeError());
            }
            else
            {
                buffer = buffer[(int)written..];
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private static void WaitOrThrow(int error)
    {
        switch (error)
        {
            case LibC.EINTR:
                break;
            case LibC.EAGAIN:
                // Whoever gave us the descriptor may have made it non-blocking.
                var ready = new LibC.PollFd { fd = Descriptor, events = LibC.POLLOUT };
                _ = LibC.poll(&ready, 1, -1);
                break;
            case LibC.EPIPE:
                throw new CommandException(ExitCode.Failure, []);
            default:
                throw new CommandException(
                    ExitCode.Failure, $"standard output cannot be written: {Marshal.GetPInvokeErrorMessage(error)}: give it a place that can");
        }
    }
}
