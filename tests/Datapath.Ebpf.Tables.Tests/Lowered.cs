using Portcullis.Net;
using Portcullis.Rules;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

/// <summary>Tables with a lowering, beside the world that they should hold.</summary>
internal sealed class Lowered : IDisposable
{
    public Lowered(TestTables? tables = null)
    {
        Tables = tables ?? new TestTables();
        Lowering = new RuleLowering(Tables);
    }

    public TestTables Tables { get; private set; }

    public RuleLowering Lowering { get; private set; }

    public TestWorld World { get; } = new();

    public void Change(params ChangeSet[] changeSets)
    {
        foreach (var changes in changeSets)
        {
            Lowering.Apply(changes);
            World.Apply(changes);
            Lowering.Complete();
            World.Complete(changes);
        }
    }

    /// <summary>Writes the same world into other tables, as when a generation has become too small.</summary>
    public void MoveTo(TestTables tables)
    {
        Lowering = new RuleLowering(tables, Lowering.World);
        Tables.Dispose();
        Tables = tables;
    }

    public Outcome Judge(int ruleSet, string address, uint transport = 0, ushort port = 80) =>
        Judge(Lowering.RowOf(new RuleSetId(ruleSet)), IpAddress.Parse(address), transport, port);

    public Outcome Judge(uint row, IpAddress address, uint transport, ushort port) =>
        OutcomeOf(TableReader.Judge(Tables, row, address, transport, port));

    public Outcome OutcomeOf(uint verdict) => new(Verdict.Kind(verdict), Lowering.RuleOf(Verdict.Argument(verdict)));

    /// <summary>Compares tables and world for every rule set.</summary>
    public void Check(IEnumerable<IpAddress> addresses, IEnumerable<(uint Transport, ushort Port)> keys)
    {
        var all = addresses.ToArray();
        foreach (var ruleSet in World.RuleSets.Values)
        {
            var row = Lowering.RowOf(ruleSet.Id);
            foreach (var (transport, port) in keys)
            {
                foreach (var address in all)
                {
                    var expected = World.Judge(ruleSet, address, transport, port);
                    var actual = Judge(row, address, transport, port);
                    if (expected != actual)
                    {
                        Assert.Fail($"{ruleSet}, {address}, {transport}/{port}: tables say {actual}, rules say {expected}");
                    }
                }
            }
        }
    }

    public void Dispose() => Tables.Dispose();
}
