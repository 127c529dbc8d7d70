using System.Text;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

/// <summary>Reads text as a file and states what comes out, briefly.</summary>
internal static class Reading
{
    public const string File = "f.yaml";

    public static ManifestFile Of(string text, string file = File) => ManifestReader.Read(Encoding.UTF8.GetBytes(text), file);

    public static T One<T>(string text, string file = File)
        where T : Resource =>
        Assert.IsType<T>(Assert.Single(Of(text, file).Resources));

    /// <summary>Reads and expects nothing to be wrong.</summary>
    public static T Clean<T>(string text, string file = File)
        where T : Resource
    {
        var read = Of(text, file);
        Assert.Empty(read.Findings);
        Assert.True(read.Complete);
        return Assert.IsType<T>(Assert.Single(read.Resources));
    }

    /// <summary>A NetworkPolicy with this spec, whose first line is line 5.</summary>
    public static string Policy(string spec) =>
        $"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{ name: x }}\nspec:\n{Indent(spec, 2)}\n";

    /// <summary>A ClusterNetworkPolicy with this spec, whose first line is line 5.</summary>
    public static string ClusterPolicy(string spec) =>
        $"apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{ name: c }}\nspec:\n{Indent(spec, 2)}\n";

    public static string Pod(string rest) =>
        $"apiVersion: v1\nkind: Pod\nmetadata: {{ name: p, namespace: ns }}\n{rest}\n";

    public static string Indent(string text, int by) =>
        string.Join('\n', text.Split('\n').Select(line => line.Length == 0 ? line : new string(' ', by) + line));
}
