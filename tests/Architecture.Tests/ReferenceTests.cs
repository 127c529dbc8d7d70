using Xunit;

namespace Portcullis.Architecture.Tests;

public sealed class ReferenceTests
{
    private const string Abstractions = "src/Abstractions/Abstractions.csproj";
    private const string Policy = "src/Policy/Policy.csproj";

    [Fact]
    public void Abstractions_Refer_ToNothing() => Assert.Empty(Repository.References(Abstractions));

    [Fact]
    public void Policy_Refers_OnlyToAbstractions() => Assert.Equal([Abstractions], Repository.References(Policy));

    [Fact]
    public void Host_Refers_OnlyToPolicyAndAbstractions() =>
        Assert.Equal([Abstractions, Policy], Repository.References("src/Host/Host.csproj").Order(StringComparer.Ordinal));

    [Fact]
    public void Plugins_Refer_OnlyToAbstractionsAndPolicy()
    {
        var plugins = Repository.Projects.Where(project => project.StartsWith("plugins/", StringComparison.Ordinal)).ToList();

        Assert.NotEmpty(plugins);
        Assert.All(plugins, plugin => Assert.Empty(Repository.References(plugin).Except([Abstractions, Policy])));
    }

    [Fact]
    public void Product_NeverRefers_ToTestsOrPlugins() => Assert.All(
        Repository.Projects.Where(project => project.StartsWith("src/", StringComparison.Ordinal)),
        project => Assert.DoesNotContain(
            Repository.References(project), reference => !reference.StartsWith("src/", StringComparison.Ordinal)));

    [Fact]
    public void PluginProjects_OfHostsProjects_CopyNothing()
    {
        // A copy in the plugin's folder would split the identity of shared types.
        var offenders = Repository.Projects
            .Where(project => project.StartsWith("plugins/", StringComparison.Ordinal))
            .SelectMany(project => System.Xml.Linq.XDocument.Load(Path.Combine(Repository.Root, project)).Descendants("ProjectReference")
                .Where(reference => reference.Attribute("Private")?.Value != "false" || reference.Attribute("ExcludeAssets")?.Value != "runtime")
                .Select(reference => $"{project}: {reference.Attribute("Include")?.Value}"));

        Assert.Empty(offenders);
    }
}
