using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Portcullis.Benchmarks.Results;

/// <summary>What a run was measured on, without anything that names the machine.</summary>
internal sealed partial record Machine(
    string Processor,
    int Processors,
    bool IsVirtual,
    int MemoryGigabytes,
    string Kernel,
    string System,
    string Runtime,
    string Architecture,
    SortedDictionary<string, string> Tools)
{
    public static Machine Read()
    {
        var cpu = File.ReadLines("/proc/cpuinfo").Select(line => line.Split(':', 2)).Where(pair => pair.Length == 2)
            .DistinctBy(pair => pair[0].Trim()).ToDictionary(pair => pair[0].Trim(), pair => pair[1].Trim());
        var release = File.Exists("/etc/os-release")
            ? File.ReadLines("/etc/os-release").FirstOrDefault(line => line.StartsWith("PRETTY_NAME=", StringComparison.Ordinal))?[12..].Trim('"')
            : null;
        return new Machine(
            cpu.GetValueOrDefault("model name", "unknown"),
            Environment.ProcessorCount,
            cpu.GetValueOrDefault("flags", string.Empty).Split(' ').Contains("hypervisor"),
            (int)Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9, MidpointRounding.AwayFromZero),
            KernelVersion().Match(File.ReadAllText("/proc/sys/kernel/osrelease")).Value,
            release ?? "unknown",
            RuntimeInformation.FrameworkDescription,
            RuntimeInformation.OSArchitecture.ToString().ToLower(CultureInfo.InvariantCulture),
            new() { ["iptables"] = Version("iptables", "--version"), ["ipset"] = Version("ipset", "--version"), ["nft"] = Version("nft", "--version"), ["iperf3"] = Version("iperf3", "--version") });
    }

    private static string Version(string program, string option)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, option) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
            var line = process.StandardOutput.ReadToEnd().Split('\n')[0];
            process.WaitForExit();
            return VersionNumber().Match(line).Value;
        }
        catch (global::System.ComponentModel.Win32Exception)
        {
            return "not installed";
        }
    }

    // Without the suffix that says who built it.
    [GeneratedRegex(@"\d+\.\d+\.\d+", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex KernelVersion();

    [GeneratedRegex(@"\d+(\.\d+)+( \([a-z_]+\))?", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionNumber();
}
