using Portcullis.Datapaths;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>Changes and lists the kernel's sets.</summary>
internal sealed class IpsetTool(Tool ipset)
{
    /// <summary>Finds the program.</summary>
    /// <exception cref="FeatureNotSupportedException">It is not installed.</exception>
    public static IpsetTool Find() =>
        new(Tool.Find("ipset") ?? throw new FeatureNotSupportedException("ipset", "the program is not installed; install the package ipset"));

    /// <summary>Applies lines in their order. Elements that are already there, or already gone, are none of its errors.</summary>
    /// <exception cref="DatapathException">A line was refused; those before it took effect.</exception>
    public void Restore(string lines)
    {
        if (lines.Length == 0)
        {
            return;
        }

        var result = ipset.Run(lines, "restore", "-exist");
        if (result.ExitCode != 0)
        {
            throw new DatapathException($"ipset restore: {result.Problem}");
        }
    }

    /// <summary>The names of all sets.</summary>
    /// <exception cref="DatapathException">They cannot be listed.</exception>
    public IReadOnlyList<string> Names() => Output("list", "-n").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Starts to list all sets with their elements.</summary>
    public RunningTool StartSave() => ipset.Start(string.Empty, "save");

    /// <summary>The elements of the sets that <paramref name="isWanted"/> picks by name.</summary>
    /// <exception cref="DatapathException">They could not be listed.</exception>
    public static IReadOnlyDictionary<string, HashSet<string>> Elements(ToolResult saved, Func<string, bool> isWanted)
    {
        var sets = new Dictionary<string, HashSet<string>>();
        foreach (var line in Checked(saved, "save").Split('\n'))
        {
            var words = line.Split(' ');
            if (words is ["create", var created, ..] && isWanted(created))
            {
                sets.Add(created, []);
            }
            else if (words is ["add", var name, var element, ..] && sets.TryGetValue(name, out var elements))
            {
                elements.Add(element);
            }
        }

        return sets;
    }

    /// <summary>Destroys sets and returns those that the kernel still uses: nf_tables lets go of a rule's set only a little later.</summary>
    public IReadOnlyList<string> Destroy(IEnumerable<string> names)
    {
        var left = names.ToList();
        var busy = new List<string>();
        while (left.Count > 0)
        {
            var result = ipset.Run(string.Concat(left.Select(name => $"destroy {name}\n")), "restore");
            if (result.ExitCode == 0)
            {
                break;
            }

            var refused = result.ErrorLine is { } line && line <= left.Count
                ? line - 1
                : throw new DatapathException($"ipset destroy: {result.Problem}");
            if (!result.Error.Contains("does not exist", StringComparison.Ordinal))
            {
                busy.Add(left[refused]);
            }

            left.RemoveRange(0, refused + 1);
        }

        return busy;
    }

    private string Output(params string[] arguments) => Checked(ipset.Run(string.Empty, arguments), arguments[0]);

    private static string Checked(ToolResult result, string command) =>
        result.ExitCode == 0 ? result.Output : throw new DatapathException($"ipset {command}: {result.Problem}");
}
