using System.Buffers;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>Which endpoint an interface belongs to.</summary>
internal static class InterfaceOwners
{
    private static readonly SearchValues<char> Writable =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@~=");

    /// <summary>The endpoints that have an interface, one for each interface.</summary>
    /// <param name="endpoints">All endpoints, in order of name.</param>
    /// <param name="problems">Where to report those that cannot be told apart by the name of their interface.</param>
    public static IReadOnlyList<Endpoint> Of(IEnumerable<Endpoint> endpoints, List<Finding> problems)
    {
        var owners = new Dictionary<string, Endpoint>();
        foreach (var endpoint in endpoints)
        {
            if (endpoint.Link is not { } link)
            {
                continue;
            }

            if (!IsWritable(link.Name))
            {
                problems.Add(Problem(endpoint, $"interface '{link.Name}' cannot be named in an iptables rule: its workload is not policed; rename it"));
            }
            else if (!owners.TryAdd(link.Name, endpoint))
            {
                problems.Add(Problem(endpoint, $"interface {link.Name} belongs to {owners[link.Name].Workload}, whose rules apply; give each its own"));
            }
        }

        return [.. owners.Values];
    }

    // A trailing + would match every interface that starts so; quotes, backslashes and the comma have a meaning to the programs.
    private static bool IsWritable(string name) =>
        !name.AsSpan().ContainsAnyExcept(Writable) && !name.StartsWith('-');

    private static Finding Problem(Endpoint endpoint, string message) =>
        new(FindingSeverity.Error, default, $"endpoint {endpoint.Workload}", message);
}
