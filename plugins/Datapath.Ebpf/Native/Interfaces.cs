using System.Runtime.InteropServices;

namespace Portcullis.Datapath.Ebpf.Native;

/// <summary>The interfaces of the calling thread's network namespace.</summary>
internal static unsafe class Interfaces
{
    public static Dictionary<int, string> List()
    {
        var entries = LibC.if_nameindex();
        if (entries is null)
        {
            throw new BpfException("listing interfaces", Marshal.GetLastPInvokeError());
        }

        var interfaces = new Dictionary<int, string>();
        for (var entry = entries; entry->index != 0; entry++)
        {
            interfaces.Add((int)entry->index, Marshal.PtrToStringUTF8((nint)entry->name) ?? string.Empty);
        }

        LibC.if_freenameindex(entries);
        return interfaces;
    }
}
