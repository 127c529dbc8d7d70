using System.Security.Cryptography;
using System.Text;
using Portcullis.Rules;

namespace Portcullis.Host.Links;

/// <summary>
/// How the VPC CNI names the node's end of a pod's interface: <c>eni</c>, or <c>vlan</c> for a pod with security groups of its own, and
/// the first 11 digits of a hash of the pod's name. So an interface tells its pod before the pod's address is known anywhere.
/// </summary>
internal static class VpcInterfaceNames
{
    private const int HashDigits = 11;

    private static readonly string[] Prefixes = ["eni", "vlan"];

    /// <summary>The name of a pod's interface.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="index">0 for its first interface; further ones count from 1.</param>
    public static string NameOf(NamespacedName pod, int index = 0) => Prefixes[0] + HashOf(pod, index);

    /// <summary>The names that a pod's interface may have.</summary>
    /// <param name="pod">The pod.</param>
    /// <param name="index">0 for its first interface; further ones count from 1.</param>
    public static IEnumerable<string> NamesOf(NamespacedName pod, int index = 0)
    {
        var hash = HashOf(pod, index);
        return Prefixes.Select(prefix => prefix + hash);
    }

    /// <summary>A pod's interface; null when there is none of that name.</summary>
    public static Link? Find(NamespacedName pod, int index, LinkTable table) =>
        NamesOf(pod, index).Select(table.Find).FirstOrDefault(link => link is not null);

    private static string HashOf(NamespacedName pod, int index)
    {
        var name = index == 0 ? $"{pod.Namespace}.{pod.Name}" : $"{pod.Namespace}.{pod.Name}.{index}";
#pragma warning disable CA5350 // The CNI's choice; nothing is protected by it.
        return Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(name)))[..HashDigits];
#pragma warning restore CA5350
    }
}
