using System.Buffers;
using System.Text;
using Portcullis.Resources;
using Portcullis.Rules;

namespace Portcullis.Datapath.Iptables.Rendering;

/// <summary>An interface by name, which may be still to come: rules need no more than its name.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Endpoint">Whose it is.</param>
internal readonly record struct PolicedInterface(string Name, Endpoint Endpoint);

/// <summary>Which endpoint an interface belongs to.</summary>
/// <param name="Policed">The interfaces that belong to one endpoint, in the order of endpoints.</param>
/// <param name="Closed">The interfaces that nothing may pass because their packets cannot be told to belong to one endpoint, in order.</param>
internal sealed record InterfaceOwners(IReadOnlyList<PolicedInterface> Policed, IReadOnlyList<string> Closed)
{
    // IFNAMSIZ without the final zero.
    private const int LongestName = 15;

    private const char Undecodable = '\ufffd';

    private static readonly SearchValues<char> Writable =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@~=");

    /// <summary>Gives each interface to its endpoint.</summary>
    /// <param name="endpoints">All endpoints, in order of name.</param>
    /// <param name="problems">Where to report those whose interface is closed.</param>
    public static InterfaceOwners Of(IEnumerable<Endpoint> endpoints, List<Finding> problems)
    {
        var owners = new Dictionary<string, Endpoint>();
        var closed = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var endpoint in endpoints)
        {
            foreach (var name in endpoint.Link is { } link ? [link.Name] : endpoint.AwaitedInterfaces)
            {
                if (!IsWritable(name))
                {
                    closed.Add(name);
                    problems.Add(Problem(endpoint, $"rules cannot be written for an interface named '{name}': nothing passes it; rename it"));
                }
                else if (!owners.TryAdd(name, endpoint))
                {
                    closed.Add(name);
                    problems.Add(Problem(endpoint, $"interface {name} belongs to {owners[name].Workload} too: nothing passes it; give each its own"));
                }
            }
        }

        return new InterfaceOwners([.. owners.Where(owner => !closed.Contains(owner.Key)).Select(owner => new PolicedInterface(owner.Key, owner.Value))], [.. closed]);
    }

    /// <summary>Matches an interface of any name. Where only a prefix can be written, others that begin with it are matched too.</summary>
    /// <param name="option"><c>-i</c> or <c>-o</c>.</param>
    /// <param name="name">The interface.</param>
    public static string AnyName(string option, string name)
    {
        // A trailing + stands for all names that begin so: another one behind it leaves the first to be compared.
        var readable = name.IndexOf(Undecodable, StringComparison.Ordinal);
        var pattern = readable >= 0 ? name[..readable] + '+'
            : name.EndsWith('+') && Encoding.UTF8.GetByteCount(name) < LongestName ? name + '+'
            : name;
        return $"{option} \"{pattern.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
    }

    // A trailing + would match every interface that starts so; quotes, backslashes and the comma have a meaning to the programs.
    private static bool IsWritable(string name) =>
        !name.AsSpan().ContainsAnyExcept(Writable) && !name.StartsWith('-');

    private static Finding Problem(Endpoint endpoint, string message) =>
        new(FindingSeverity.Error, default, $"endpoint {endpoint.Workload}", message);
}
