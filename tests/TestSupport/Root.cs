namespace Portcullis.TestSupport;

/// <summary>What tests that change a network namespace of their own need. They fail, and never skip, without it.</summary>
public static class Root
{
    /// <summary>Throws unless the process is root and has the programs and file systems the tests use.</summary>
    /// <param name="programs">Programs that must be on the path.</param>
    /// <exception cref="InvalidOperationException">Something is missing; the message says what to do.</exception>
    public static void Require(params string[] programs)
    {
        if (Environment.UserName != "root")
        {
            throw new InvalidOperationException("this test needs root: run ./test.sh as root");
        }

        foreach (var program in programs)
        {
            if (!IsOnPath(program))
            {
                throw new InvalidOperationException($"this test needs the program '{program}': run eng/install-deps.sh");
            }
        }
    }

    /// <summary>As <see cref="Require"/>, and the BPF file system too.</summary>
    /// <exception cref="InvalidOperationException">Something is missing; the message says what to do.</exception>
    public static void RequireBpf()
    {
        Require("ip");
        var isMounted = File.ReadLines("/proc/self/mounts").Any(line => line.Split(' ') is [_, "/sys/fs/bpf", "bpf", ..]);
        if (!isMounted)
        {
            throw new InvalidOperationException("this test needs the BPF file system: mount -t bpf bpf /sys/fs/bpf");
        }
    }

    private static bool IsOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty)
            .Split(Path.PathSeparator)
            .Append("/usr/sbin")
            .Any(folder => File.Exists(Path.Combine(folder, program)));
}
