using Portcullis.Datapaths;
using Portcullis.Host.Enforcement;
using Portcullis.Host.Metrics;
using Xunit;

namespace Portcullis.Host.Tests;

public sealed class MetricsTextTests
{
    private static readonly string[] DocumentedNames =
    [
        "packets_total", "bytes_total", "policy_verdicts_total", "endpoints", "policies", "peer_sets", "rule_sets", "address_classes",
        "apply_duration_seconds", "enforcement_latency_seconds", "revision", "applied_revision", "source_synced", "drift_repairs_total",
        "flow_events_lost_total", "table_entries", "table_capacity", "build_info",
    ];

    [Fact]
    public void Write_AnyState_HasEveryDocumentedMetric()
    {
        var lines = Write(new DatapathStatus()).Split('\n');

        Assert.All(DocumentedNames, name => Assert.Contains(lines, line => line.StartsWith($"# TYPE portcullis_{name} ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Write_CountersAndTables_BecomeSamplesWithLabels()
    {
        var text = Write(new DatapathStatus
        {
            Packets = [new PacketCounter(Direction.Egress, FlowVerdict.AuditDeny, "audit", 5, 600)],
            Policies = [new PolicyCounter("NetworkPolicy", new NamespacedName("a", "quo\"te"), FlowVerdict.Deny, 9)],
            Tables = [new TableUsage("classes", 3, 10)],
            FlowEventsLost = 2,
            DriftRepairs = 1,
        });

        Assert.Contains("portcullis_packets_total{direction=\"egress\",verdict=\"audit-deny\",reason=\"audit\"} 5\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_bytes_total{direction=\"egress\",verdict=\"audit-deny\",reason=\"audit\"} 600\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_policy_verdicts_total{kind=\"NetworkPolicy\",namespace=\"a\",policy=\"quo\\\"te\",verdict=\"deny\"} 9\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_table_entries{table=\"classes\"} 3\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_table_capacity{table=\"classes\"} 10\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_address_classes 3\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_flow_events_lost_total 6\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_drift_repairs_total 1\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_revision 12\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_Histogram_IsCumulative()
    {
        var metrics = new AgentMetrics();
        metrics.ApplyDuration.Record(TimeSpan.FromMilliseconds(0.2));
        metrics.ApplyDuration.Record(TimeSpan.FromMilliseconds(2));
        metrics.ApplyDuration.Record(TimeSpan.FromSeconds(60));

        var text = Write(new DatapathStatus(), metrics);

        Assert.Contains("portcullis_apply_duration_seconds_bucket{le=\"0.0001\"} 0\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_apply_duration_seconds_bucket{le=\"0.00025\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_apply_duration_seconds_bucket{le=\"10\"} 2\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_apply_duration_seconds_bucket{le=\"+Inf\"} 3\n", text, StringComparison.Ordinal);
        Assert.Contains("portcullis_apply_duration_seconds_count 3\n", text, StringComparison.Ordinal);
    }

    private static string Write(DatapathStatus datapath, AgentMetrics? metrics = null) => MetricsText.Write(
        new AgentStatus { Datapath = new DatapathChoice("memory", "test"), Revision = 12 }, datapath, metrics ?? new AgentMetrics(), flowEventsLost: 4);
}
