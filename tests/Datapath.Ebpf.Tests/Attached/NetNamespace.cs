using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf.Tests.Attached;

/// <summary>
/// A network namespace that lives as long as a thread of its own, on which everything concerning it runs. It vanishes with all
/// that is in it when the process ends, however that happens. Its mounts are private, with a BPF file system of its own.
/// </summary>
internal sealed partial class NetNamespace : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    public NetNamespace()
    {
        _thread = new Thread(Work) { IsBackground = true, Name = "netns" };
        _thread.Start();
        Run(() =>
        {
            Check(SystemCalls.unshare(SystemCalls.NewNet | SystemCalls.NewMounts), "unshare");
            Check(SystemCalls.mount("none", "/", null, SystemCalls.Recursive | SystemCalls.Private, 0), "making mounts private");
            Check(SystemCalls.mount("bpf", EbpfPaths.FileSystem, "bpf", 0, 0), "mounting the BPF file system");
            Id = SystemCalls.gettid();
            Ip("link set lo up");
        });
    }

    /// <summary>A process id by which <c>ip link set netns</c> finds this namespace.</summary>
    public int Id { get; private set; }

    public void Run(Action action) => Run(() =>
    {
        action();
        return true;
    });

    public T Run<T>(Func<T> function)
    {
        using var done = new ManualResetEventSlim();
        T result = default!;
        System.Runtime.ExceptionServices.ExceptionDispatchInfo? failure = null;
        _work.Add(() =>
        {
            try
            {
                result = function();
            }
            catch (Exception e)
            {
                failure = System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(e);
            }

            done.Set();
        });
        // Loading the programs takes minutes on an emulated machine.
        Assert.True(done.Wait(TimeSpan.FromMinutes(15)), "the namespace's thread did not finish its work in 15 minutes");
        failure?.Throw();
        return result;
    }

    /// <summary>Runs <c>ip</c> with these arguments and returns what it printed.</summary>
    public string Ip(string arguments) => Command("ip", arguments);

    /// <summary>Runs <c>tc</c> with these arguments and returns what it printed.</summary>
    public string Tc(string arguments) => Command("tc", arguments);

    /// <summary>Runs <c>mount</c> with these arguments.</summary>
    public void Mount(string arguments) => Command("mount", arguments);

    /// <summary>Has the kernel follow the flows that are forwarded here.</summary>
    public void TrackConnections()
    {
        Command("iptables", "-A FORWARD -m conntrack --ctstate INVALID");
        Command("ip6tables", "-A FORWARD -m conntrack --ctstate INVALID");
    }

    /// <summary>Translates the destination of forwarded TCP connections.</summary>
    public void Translate(string from, string to) => Command("iptables", $"-t nat -A PREROUTING -d {from} -p tcp -j DNAT --to-destination {to}");

    /// <summary>Sends a frame as it is.</summary>
    public unsafe void SendFrame(string device, byte[] frame) => Run(() =>
    {
        const int Packet = 17;
        using var socket = new FdHandle(LibC.socket(Packet, type: 3, protocol: 0));
        var address = stackalloc byte[20];
        *(ushort*)address = Packet;
        *(int*)(address + 4) = Interfaces.List().Single(pair => pair.Value == device).Key;
        fixed (byte* data = frame)
        {
            Check(SystemCalls.sendto(socket.Fd, data, (nuint)frame.Length, 0, address, 20) == frame.Length ? 0 : -1, "sendto");
        }
    });

    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Join();
        _work.Dispose();
    }

    private string Command(string program, string arguments)
    {
        if (Thread.CurrentThread != _thread)
        {
            return Run(() => Command(program, arguments));
        }

        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEnd();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {arguments}: {error}");
        return output;
    }

    private void Work()
    {
        foreach (var action in _work.GetConsumingEnumerable())
        {
            action();
        }
    }

    private static void Check(int result, string what) =>
        Assert.True(result == 0, $"{what}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}; these tests need root");

    private static unsafe partial class SystemCalls
    {
        public const int NewNet = 0x40000000;
        public const int NewMounts = 0x00020000;
        public const ulong Recursive = 0x4000;
        public const ulong Private = 0x40000;

        [LibraryImport("libc", SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
        public static partial int unshare(int flags);

        [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
        public static partial int mount(string source, string target, string? type, ulong flags, nint data);

        [LibraryImport("libc"), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
        public static partial int gettid();

        [LibraryImport("libc", SetLastError = true), UnmanagedCallConv(CallConvs = [typeof(CallConvCdecl)])]
        public static partial nint sendto(int fd, void* data, nuint length, int flags, void* address, int addressLength);
    }
}
