namespace Portcullis.Datapath.Iptables.Tools;

/// <summary>Where a machine gets a netfilter module that it lacks.</summary>
internal static class KernelModules
{
    /// <summary>What to install.</summary>
    public static string Remedy(string module) =>
        $"install the package iptables, or the one with the kernel module {module} (Ubuntu: linux-modules-extra-{Environment.OSVersion.Version.ToString(3)}-..., "
        + "Amazon Linux and RHEL: kernel-modules-extra)";
}
