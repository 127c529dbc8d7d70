using Portcullis.Net;

namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>The backend this machine uses, and how that is known.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Reason">How it was chosen, for people.</param>
internal sealed record BackendChoice(Backend Backend, string Reason);

/// <summary>Finds the backend that the rest of the machine uses.</summary>
internal static class BackendDetector
{
    // Chains that the kubelet makes in table mangle so that others can see its choice.
    private static readonly string[] Hints = ["KUBE-IPTABLES-HINT", "KUBE-KUBELET-CANARY"];

    /// <summary>Chooses: the kubelet's own hint, else the backend with more rules, else what plain <c>iptables</c> stands for.</summary>
    /// <exception cref="FeatureNotSupportedException">Neither is installed.</exception>
    public static BackendChoice Detect()
    {
        var installed = new[] { Backend.Nft, Backend.Legacy }.Where(backend => backend.IsInstalled).ToList();
        switch (installed)
        {
            case []:
                throw new FeatureNotSupportedException("iptables", "iptables-restore is not installed; install the package iptables");
            case [var only]:
                return new BackendChoice(only, "the only one installed");
        }

        var rules = installed.ToDictionary(backend => backend, backend => backend.IsInUse ? Saved(backend) : []);
        if (installed.Find(backend => rules[backend].Exists(line => Hints.Any(hint => line.StartsWith($":{hint} ", StringComparison.Ordinal)))) is { } hinted)
        {
            return new BackendChoice(hinted, "the kubelet uses it");
        }

        var counts = installed.ConvertAll(backend => rules[backend].Count(line => line.StartsWith("-A", StringComparison.Ordinal)));
        if (counts[0] != counts[1])
        {
            return new BackendChoice(installed[counts[0] > counts[1] ? 0 : 1], $"{counts.Max()} rules of others against {counts.Min()}");
        }

        return new BackendChoice(Backend.PlainBackend() ?? Backend.Nft, "what iptables stands for here");
    }

    private static List<string> Saved(Backend backend) =>
    [
        .. new[] { IpFamily.IPv4, IpFamily.IPv6 }
            .Select(backend.Save)
            .OfType<Tool>()
            .SelectMany(save => save.Run(string.Empty).Output.Split('\n'))
            .Where(line => !line.Contains("pcl.", StringComparison.Ordinal)),
    ];
}
