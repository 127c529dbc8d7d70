using System.Diagnostics;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Portcullis.Deploy.Tests;

public sealed class KustomizationTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData("base", new[] { "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Namespace", "ServiceAccount" })]
    [InlineData("eks", new[] { "ClusterRole", "ClusterRoleBinding", "ConfigMap", "DaemonSet", "Namespace", "ServiceAccount" })]
    public void Agent_Rendered_IsWholeAndRefersToItself(string folder, string[] kinds)
    {
        var objects = Render(folder);
        var daemonSet = Assert.Single(objects, document => document.Text("kind") == "DaemonSet");
        var configMap = Assert.Single(objects, document => document.Text("kind") == "ConfigMap");
        var binding = Assert.Single(objects, document => document.Text("kind") == "ClusterRoleBinding");

        Assert.Equal(kinds, objects.Select(document => document.Text("kind")).Order(StringComparer.Ordinal));
        Assert.Contains(
            daemonSet.Elements("spec", "template", "spec", "volumes"),
            volume => ((YamlMappingNode)volume).Children.ContainsKey("configMap") && volume.Text("configMap", "name") == configMap.Text("metadata", "name"));
        Assert.Equal(
            File.ReadAllText(Repository.PathOf($"deploy/kubernetes/{folder}/portcullis.yaml")),
            configMap.Text("data", "portcullis.yaml"));
        Assert.Equal(daemonSet.Text("metadata", "namespace"), binding.Text("subjects", 0, "namespace"));
        Assert.Equal(daemonSet.Text("spec", "template", "spec", "serviceAccountName"), binding.Text("subjects", 0, "name"));
        Assert.Equal(
            daemonSet.Text("spec", "selector", "matchLabels", "app.kubernetes.io/name"),
            daemonSet.Text("spec", "template", "metadata", "labels", "app.kubernetes.io/name"));
    }

    [Fact]
    public void Demo_Rendered_HasEveryDeploymentAndService()
    {
        var kinds = Render("demo").CountBy(document => document.Text("kind")).ToDictionary();

        Assert.Equal(5, kinds["Deployment"]);
        Assert.Equal(5, kinds["Service"]);
        Assert.Equal(1, kinds["Namespace"]);
    }

    private static IReadOnlyList<YamlNode> Render(string folder)
    {
        Assert.SkipUnless(IsOnPath("kubectl"), "kubectl 1.21 or later is not on the path");
        using var kubectl = Process.Start(new ProcessStartInfo("kubectl", ["kustomize", Repository.PathOf("deploy/kubernetes/" + folder)])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = kubectl.StandardError.ReadToEndAsync();
        var output = kubectl.StandardOutput.ReadToEnd();
        Assert.True(kubectl.WaitForExit(Limit), "kubectl kustomize does not end");
        Assert.True(kubectl.ExitCode == 0, error.GetAwaiter().GetResult());
        return Yaml.Documents(output);
    }

    private static bool IsOnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
}
