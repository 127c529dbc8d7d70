using Microsoft.Extensions.Configuration;

namespace Portcullis.Sources.Kubernetes;

/// <summary>What the section <c>source.kubernetes</c> says.</summary>
/// <param name="Kubeconfig">The kubeconfig file; empty: the ServiceAccount of the pod this runs in.</param>
/// <param name="Policies">Where policies come from.</param>
public sealed record KubernetesSourceOptions(string Kubeconfig, PolicyMode Policies)
{
    private const string KubeconfigKey = "kubeconfig";
    private const string PoliciesKey = "policies";

    internal static KubernetesSourceOptions Read(IConfigurationSection section, ICollection<string> errors)
    {
        var (kubeconfig, policies) = (string.Empty, PolicyMode.Resources);
        foreach (var child in section.GetChildren())
        {
            if (child.GetChildren().Any())
            {
                errors.Add($"{Dotted(child.Path)}: must be a single value");
            }
            else if (string.Equals(child.Key, KubeconfigKey, StringComparison.OrdinalIgnoreCase))
            {
                kubeconfig = child.Value ?? string.Empty;
            }
            else if (string.Equals(child.Key, PoliciesKey, StringComparison.OrdinalIgnoreCase))
            {
                policies = ReadPolicies(child, errors);
            }
            else
            {
                errors.Add($"{Dotted(child.Path)}: unknown key; {Dotted(section.Path)} has {KubeconfigKey} and {PoliciesKey}");
            }
        }

        return new KubernetesSourceOptions(kubeconfig, policies);
    }

    private static PolicyMode ReadPolicies(IConfigurationSection value, ICollection<string> errors)
    {
        switch (value.Value)
        {
            case "resources":
                return PolicyMode.Resources;
            case "policyEndpoints":
                return PolicyMode.PolicyEndpoints;
            default:
                errors.Add($"{Dotted(value.Path)}: '{value.Value}' is not one of resources, policyEndpoints");
                return PolicyMode.Resources;
        }
    }

    private static string Dotted(string path) => path.Replace(':', '.');
}
