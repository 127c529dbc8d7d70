using System.Text.Json;
using Portcullis.Host.Demo;
using Xunit;

namespace Portcullis.EndToEnd.Tests;

/// <summary>The demo itself. It needs root.</summary>
public sealed class DemoTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Demo_WholeScenario_EveryConnectionEndsAsExpected()
    {
        TestSupport.Root.RequireBpf();
        var demo = await Executable.RunProgramAsync(null, "timeout", "180", Executable.Path, "demo", "-o", "json");

        Assert.True(demo.ExitCode == 0, $"exit code {demo.ExitCode}: {demo.Error}\n{demo.Output}");
        using var json = JsonDocument.Parse(demo.Output);
        output.WriteLine($"median {json.RootElement.GetProperty("medianMilliseconds").GetDouble():F1} ms");
        Assert.Equal(0, json.RootElement.GetProperty("mismatches").GetInt32());
        Assert.Equal(2 * 9 * 5 * 6, json.RootElement.GetProperty("probes").GetInt32());
        Assert.False(Directory.Exists("/run/portcullis-demo"));
        Assert.False(Directory.Exists("/sys/fs/bpf/portcullis/pc-demo"));
    }

    [Theory]
    [InlineData("nft")]
    [InlineData("legacy")]
    public async Task Demo_WithIptables_EveryConnectionEndsAsExpected(string backend)
    {
        TestSupport.Root.Require("ipset", $"iptables-{backend}-restore");
        using var tools = new ToolFolder(backend);

        var demo = await Executable.RunProgramAsync(null, "timeout", "180", tools.Executable, "demo", "--datapath", "iptables", "-o", "json");

        Assert.True(demo.ExitCode == 0, $"exit code {demo.ExitCode}: {demo.Error}\n{demo.Output}");
        using var json = JsonDocument.Parse(demo.Output);
        Assert.Equal(0, json.RootElement.GetProperty("mismatches").GetInt32());
        Assert.Equal(2 * 9 * 5 * 6, json.RootElement.GetProperty("probes").GetInt32());
    }

    [Theory]
    [InlineData("3s")]
    [InlineData("6s")]
    public async Task Demo_Interrupted_LeavesNothing(string after)
    {
        TestSupport.Root.RequireBpf();
        var demo = await Executable.RunProgramAsync(null, "timeout", "--preserve-status", "--signal=INT", after, Executable.Path, "demo");

        Assert.Equal(3, demo.ExitCode);
        Assert.Equal("portcullis: the demo was interrupted", demo.Error.Trim());
        Assert.False(Directory.Exists("/run/portcullis-demo"));
        Assert.False(Directory.Exists("/sys/fs/bpf/portcullis/pc-demo"));
        Assert.Empty(Directory.EnumerateFiles("/run/netns", "pc-demo-*"));
    }

    [Fact]
    public async Task Demo_KilledWhereThereWasNoBpfFileSystem_ItsMountGoesWithTheRest()
    {
        const string Script = """
            while umount /sys/fs/bpf 2>/dev/null; do :; done
            "$0" demo >/dev/null & demo=$!
            until [ -d /run/portcullis-demo ] && grep -q ' /sys/fs/bpf ' /proc/self/mounts; do sleep 0.1; done
            kill -9 $demo
            "$0" cleanup --all >/dev/null && ! grep ' /sys/fs/bpf ' /proc/self/mounts
            """;
        TestSupport.Root.RequireBpf();

        var demo = await Executable.RunProgramAsync(null, "timeout", "60", "unshare", "--mount", "sh", "-c", Script, Executable.Path);

        Assert.True(demo.ExitCode == 0, $"exit code {demo.ExitCode}: {demo.Error}\n{demo.Output}");
        Assert.Empty(Directory.EnumerateFiles("/run/netns", "pc-demo-*"));
    }

    [Fact]
    public void Scenario_EveryStep_HasARowForEveryPodAndASignForEveryTarget()
    {
        var scenario = DemoScenario.Load(Path.Combine(Path.GetDirectoryName(Executable.Path)!, "examples", "demo"));

        Assert.All(scenario.Steps, step =>
        {
            Assert.Equal(scenario.Pods.Select(pod => pod.FullName.ToString()).Order(), step.Expected.Keys.Order());
            Assert.All(step.Expected.Values, row =>
            {
                Assert.Equal(scenario.Targets.Count, row.Split(' ').Length);
                Assert.All(row.Split(' '), sign => Assert.True(sign is "+" or "-", $"'{sign}' in step '{step.Title}'"));
            });
        });
    }

    [Fact]
    public async Task Manifests_OfTheExamples_AreSound()
    {
        var examples = Path.Combine(Path.GetDirectoryName(Executable.Path)!, "examples");

        var vm = await Executable.RunAsync(null, "check", Path.Combine(examples, "vm"));

        Assert.True(vm.ExitCode == 0, vm.Output + vm.Error);
    }
}
