using Xunit;

namespace Portcullis.Deploy.Tests;

public sealed class SystemdTests
{
    private static readonly string[] Unit = File.ReadAllLines(Repository.PathOf("deploy/systemd/portcullis.service"));

    /// <remarks><c>eng/capabilities.sh</c> shows that the set suffices. <c>SYS_RESOURCE</c> only lifts the limit of locked memory, which systemd does itself.</remarks>
    [Fact]
    public void Service_HasTheCapabilitiesOfTheDaemonSetButTheOneThatLiftsALimit()
    {
        var granted = Value("CapabilityBoundingSet").Split(' ').Select(name => name["CAP_".Length..]);
        var container = Assert.Single(Yaml.File("deploy/kubernetes/base/daemonset.yaml")).At("spec", "template", "spec").Elements("containers").Single();

        Assert.Equal(container.Texts("securityContext", "capabilities", "add").Except(["SYS_RESOURCE"]).Order(), granted.Order());
        Assert.Equal("infinity", Value("LimitMEMLOCK"));
        Assert.Equal("yes", Value("NoNewPrivileges"));
    }

    private static string Value(string key) => Assert.Single(Unit, line => line.StartsWith(key + "=", StringComparison.Ordinal))[(key.Length + 1)..];
}
