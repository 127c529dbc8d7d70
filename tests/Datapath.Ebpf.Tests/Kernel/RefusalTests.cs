using Portcullis.Datapath.Ebpf.Native;

namespace Portcullis.Datapath.Ebpf.Tests.Kernel;

/// <summary>What is said when the kernel does not take the programs.</summary>
public sealed class RefusalTests
{
    [Fact]
    public void Program_ThatTheVerifierRefuses_IsNamedWithTheEndOfTheLogAndWhereAllOfItIs()
    {
        using var broken = BpfObject.Open(WithUnreadableRegister("bench.bpf.o"), "broken.bpf.o");
        var path = BpfLoadException.FileOf("bench_empty");
        try
        {
            var refused = Assert.Throws<BpfLoadException>(broken.Load);

            Assert.StartsWith("eBPF program bench_empty was refused: ", refused.Message, StringComparison.Ordinal);
            Assert.Contains("R9 !read_ok; the whole log is in " + path, refused.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', refused.Message);
            Assert.Equal(refused.Log, File.ReadAllText(path));
            Assert.Contains("processed ", refused.Log, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Feature_ThatTheKernelLacks_IsNamedWithTheFirstKernelThatHasIt()
    {
        KernelFeature.Require(KernelFeature.Needed);

        var missing = Assert.Throws<FeatureNotSupportedException>(
            () => KernelFeature.Require([.. KernelFeature.Needed, KernelFeature.HasHelper("the BPF helper foresight", "99.1", helper: 9999)]));

        Assert.Equal("the BPF helper foresight", missing.Feature);
        Assert.Contains("use Linux 99.1 or later", missing.Message, StringComparison.Ordinal);
    }

    /// <summary>The object with a program bench_empty that returns what no one has put into register 9.</summary>
    private static byte[] WithUnreadableRegister(string resource)
    {
        using var stream = typeof(BpfObject).Assembly.GetManifestResourceStream(resource)!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);

        // w0 = -1; exit
        ReadOnlySpan<byte> empty = [0xb4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];
        var at = bytes.AsSpan().IndexOf(empty);
        Assert.True(at > 0, "bench_empty is not what it was");
        ReadOnlySpan<byte> unreadable = [0xbf, 0x90, 0, 0, 0, 0, 0, 0];
        unreadable.CopyTo(bytes.AsSpan(at));
        return bytes;
    }
}
