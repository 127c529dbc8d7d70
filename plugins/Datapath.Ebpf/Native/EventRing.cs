using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>Reads events from the ring that the programs write. One thread at a time.</summary>
internal sealed unsafe class EventRing : SafeHandle
{
    private readonly GCHandle<List<PcEvent>> _context;
    private readonly List<PcEvent> _events = [];

    public EventRing(int fd)
        : base(0, ownsHandle: true)
    {
        _context = new GCHandle<List<PcEvent>>(_events);
        SetHandle(LibBpf.ring_buffer__new(fd, &Sample, (void*)GCHandle<List<PcEvent>>.ToIntPtr(_context), null));
        if (IsInvalid)
        {
            throw new BpfException("opening the ring of events", Marshal.GetLastPInvokeError());
        }
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Waits for events and returns them; they are valid until the next call.</summary>
    public IReadOnlyList<PcEvent> Poll(int milliseconds)
    {
        _events.Clear();
        var result = LibBpf.ring_buffer__poll(handle, milliseconds);
        if (result != -LibC.EINTR)
        {
            BpfException.Check(result, "reading events");
        }

        return _events;
    }

    protected override bool ReleaseHandle()
    {
        LibBpf.ring_buffer__free(handle);
        _context.Dispose();
        return true;
    }

    // An exception must not cross libbpf: adding to the list throws only when memory has run out, which ends the process anyway.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sample(void* context, void* data, nuint size)
    {
        if (size >= (nuint)sizeof(PcEvent))
        {
            GCHandle<List<PcEvent>>.FromIntPtr((nint)context).Target.Add(*(PcEvent*)data);
        }

        return 0;
    }
}
