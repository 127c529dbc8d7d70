using Portcullis.Benchmarks.Beds;

namespace Portcullis.Benchmarks.Measuring;

/// <summary>The sizes of one benchmark case. Public because BenchmarkDotNet's generated code refers to it.</summary>
/// <param name="Datapath">The datapath's name.</param>
/// <param name="Rules">Rules on the node.</param>
/// <param name="Addresses">Pods of other nodes, each with an address of both families.</param>
/// <param name="Family">The address family of packets; empty when there are none.</param>
public sealed record Setting(string Datapath, int Rules, int Addresses, string Family)
{
    internal DatapathKind Kind => Enum.GetValues<DatapathKind>().First(kind => kind.Text() == Datapath);

    internal SortedDictionary<string, string> Parameters()
    {
        var parameters = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["rules"] = $"{Rules}", ["addresses"] = $"{Addresses}" };
        if (Family.Length > 0)
        {
            parameters["family"] = Family;
        }

        return parameters;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(' ', new[] { Datapath, $"{Rules} rules", $"{Addresses} addresses", Family }.Where(part => part.Length > 0));
}
