using System.Text.Json;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Portcullis.Deploy.Tests;

public sealed class DemoApplicationTests
{
    private const string Demo = "deploy/kubernetes/demo";
    private const string Policies = "examples/demo";

    private static readonly IReadOnlyList<YamlNode> Objects =
    [
        .. Directory.EnumerateFiles(Repository.PathOf(Demo), "*.yaml")
            .Where(file => Path.GetFileName(file) != "kustomization.yaml")
            .SelectMany(file => Yaml.Documents(File.ReadAllText(file))),
    ];

    [Fact]
    public void Application_HasTheWorkloadsAndPortsOfTheDemo()
    {
        using var scenario = JsonDocument.Parse(File.ReadAllText(Repository.PathOf(Policies + "/scenario/expected.json")));
        var pods = scenario.RootElement.GetProperty("pods").EnumerateArray()
            .Select(pod => $"{pod.GetProperty("namespace")}/{pod.GetProperty("name")}");
        var targets = scenario.RootElement.GetProperty("targets").EnumerateArray()
            .Select(target => $"{target.GetProperty("pod")}:{target.GetProperty("port")}");

        Assert.Equal(pods.Order(StringComparer.Ordinal), OfKind("Deployment").Select(NameOf).Order(StringComparer.Ordinal));
        Assert.Equal(
            targets.Order(StringComparer.Ordinal),
            OfKind("Deployment").SelectMany(deployment => deployment.Elements("spec", "template", "spec", "containers", 0, "ports")
                .Select(port => $"{NameOf(deployment)}:{port.Text("containerPort")}")).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Services_LeadToTheirDeployment() => Assert.All(OfKind("Service"), service =>
    {
        var deployment = Assert.Single(OfKind("Deployment"), deployment => NameOf(deployment) == NameOf(service));
        Assert.Equal(deployment.Text("spec", "template", "metadata", "labels", "app"), service.Text("spec", "selector", "app"));
        Assert.Equal(
            deployment.Elements("spec", "template", "spec", "containers", 0, "ports").Select(port => port.Text("name")),
            service.Elements("spec", "ports").Select(port => port.Text("targetPort")));
    });

    [Fact]
    public void Policies_OfTheDemo_SelectDeployments()
    {
        var policies = Directory.EnumerateFiles(Repository.PathOf(Policies), "*.yaml", SearchOption.AllDirectories)
            .SelectMany(file => Yaml.Documents(File.ReadAllText(file)))
            .ToList();

        Assert.NotEmpty(policies);
        Assert.All(policies, policy => Assert.Contains(
            OfKind("Deployment"),
            deployment => deployment.Text("metadata", "namespace") == policy.Text("metadata", "namespace")
                && deployment.Text("spec", "template", "metadata", "labels", "app") == policy.Text("spec", "podSelector", "matchLabels", "app")));
    }

    private static IEnumerable<YamlNode> OfKind(string kind) => Objects.Where(document => document.Text("kind") == kind);

    private static string NameOf(YamlNode document) => $"{document.Text("metadata", "namespace")}/{document.Text("metadata", "name")}";
}
