using System.Globalization;
using System.Reflection;
using System.Text;
using Portcullis.Datapaths;
using Portcullis.Host.Enforcement;

namespace Portcullis.Host.Metrics;

/// <summary>Writes the Prometheus text format.</summary>
internal static class MetricsText
{
    private static readonly string Version =
        typeof(MetricsText).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    /// <summary>Everything there is to scrape.</summary>
    /// <param name="status">What the loop has reached.</param>
    /// <param name="datapath">A reading of the datapath.</param>
    /// <param name="metrics">What the agent measured of itself.</param>
    /// <param name="flowEventsLost">Verdict events that slow followers lost, beside those the datapath lost.</param>
    public static string Write(AgentStatus status, DatapathStatus datapath, AgentMetrics metrics, long flowEventsLost)
    {
        var text = new StringBuilder(4096);
        Packets(text, datapath);
        Header(text, "policy_verdicts_total", "counter", "Packets that a policy decided, for the policies that decided most.");
        foreach (var counter in datapath.Policies)
        {
            Sample(
                text,
                "policy_verdicts_total",
                [("kind", counter.Kind), ("namespace", counter.Policy.Namespace), ("policy", counter.Policy.Name), ("verdict", VerdictName(counter.Verdict))],
                counter.Packets);
        }

        Single(text, "endpoints", "gauge", "Local workloads.", status.Endpoints);
        Single(text, "endpoints_without_interface", "gauge", "Local workloads whose interface is not there.", status.EndpointsWithoutInterface);
        Single(text, "policies", "gauge", "Policies of every kind.", status.Policies);
        Single(text, "problems", "gauge", "Findings about manifests, interfaces and the datapath that stand now.", status.Problems.Length);
        Single(text, "peer_sets", "gauge", "Peer sets in use.", status.PeerSets);
        Single(text, "rule_sets", "gauge", "Rule sets in use.", status.RuleSets);
        Single(text, "address_classes", "gauge", "Address classes in use.", Entries(datapath, "classes"));
        Single(text, "revision", "gauge", "Source changes accepted.", status.Revision);
        Single(text, "applied_revision", "gauge", "Source changes that are in the kernel.", status.AppliedRevision);
        Single(text, "source_synced", "gauge", "Whether the source's initial state is complete.", status.Synced ? 1 : 0);
        Single(text, "ready", "gauge", "Whether the machine enforces what the source says.", status.Ready ? 1 : 0);
        Single(text, "apply_failures_total", "counter", "Attempts to apply that failed.", metrics.ApplyFailures);
        Single(text, "drift_repairs_total", "counter", "Foreign changes to the datapath's state that were repaired.", datapath.DriftRepairs);
        Single(text, "flow_events_lost_total", "counter", "Verdict events nobody read in time.", datapath.FlowEventsLost + flowEventsLost);
        Tables(text, datapath);
        Write(text, "apply_duration_seconds", "From a change set being handed to the datapath to it being in the kernel.", metrics.ApplyDuration);
        Write(text, "enforcement_latency_seconds", "From a change being noticed to it being in the kernel.", metrics.EnforcementLatency);
        Header(text, "build_info", "gauge", "The running build.");
        Sample(text, "build_info", [("version", Version), ("datapath", status.Datapath.Plugin)], 1);
        return text.ToString();
    }

    private static void Packets(StringBuilder text, DatapathStatus datapath)
    {
        Header(text, "packets_total", "counter", "Packets judged.");
        foreach (var counter in datapath.Packets)
        {
            Sample(text, "packets_total", Labels(counter), counter.Packets);
        }

        Header(text, "bytes_total", "counter", "Bytes judged, link-layer headers included.");
        foreach (var counter in datapath.Packets)
        {
            Sample(text, "bytes_total", Labels(counter), counter.Bytes);
        }
    }

    private static void Tables(StringBuilder text, DatapathStatus datapath)
    {
        Header(text, "table_entries", "gauge", "Entries in use of a kernel table.");
        foreach (var table in datapath.Tables)
        {
            Sample(text, "table_entries", [("table", table.Table)], table.Entries);
        }

        Header(text, "table_capacity", "gauge", "Entries a kernel table has room for.");
        foreach (var table in datapath.Tables)
        {
            Sample(text, "table_capacity", [("table", table.Table)], table.Capacity);
        }
    }

    private static long Entries(DatapathStatus datapath, string table) =>
        datapath.Tables.FirstOrDefault(usage => string.Equals(usage.Table, table, StringComparison.Ordinal)).Entries;

    private static (string, string)[] Labels(PacketCounter counter) =>
        [("direction", counter.Direction.ToString().ToLowerInvariant()), ("verdict", VerdictName(counter.Verdict)), ("reason", counter.Reason)];

    private static string VerdictName(FlowVerdict verdict) =>
        verdict switch { FlowVerdict.Allow => "allow", FlowVerdict.Deny => "deny", _ => "audit-deny" };

    private static void Write(StringBuilder text, string name, string help, Histogram histogram)
    {
        var (counts, sum) = histogram.Read();
        Header(text, name, "histogram", help);
        long total = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            total += counts[i];
            var bound = i < Histogram.Bounds.Length ? Histogram.Bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
            Sample(text, name + "_bucket", [("le", bound)], total);
        }

        text.Append(CultureInfo.InvariantCulture, $"portcullis_{name}_sum {sum:R}\nportcullis_{name}_count {total}\n");
    }

    private static void Single(StringBuilder text, string name, string type, string help, long value)
    {
        Header(text, name, type, help);
        Sample(text, name, [], value);
    }

    private static void Header(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP portcullis_{name} {help}\n# TYPE portcullis_{name} {type}\n");

    private static void Sample(StringBuilder text, string name, ReadOnlySpan<(string Name, string Value)> labels, long value)
    {
        text.Append("portcullis_").Append(name);
        for (var i = 0; i < labels.Length; i++)
        {
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"");
            Escape(text, labels[i].Value);
            text.Append('"');
        }

        text.Append(labels.Length == 0 ? " " : "} ").Append(CultureInfo.InvariantCulture, $"{value}\n");
    }

    private static void Escape(StringBuilder text, string value)
    {
        foreach (var c in value)
        {
            _ = c switch
            {
                '\\' => text.Append("\\\\"),
                '"' => text.Append("\\\""),
                '\n' => text.Append("\\n"),
                _ => text.Append(c),
            };
        }
    }
}
