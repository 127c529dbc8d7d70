using System.Collections;
using System.Net;
using System.Text.RegularExpressions;
using Portcullis.Host.Configuration;
using Xunit;
using YamlDotNet.RepresentationModel;

namespace Portcullis.Deploy.Tests;

public sealed partial class KubernetesTests
{
    private const string Base = "deploy/kubernetes/base";
    private const string SourceFolder = "plugins/Source.Kubernetes";

    private static readonly YamlNode Pod = Assert.Single(Yaml.File(Base + "/daemonset.yaml")).At("spec", "template", "spec");
    private static readonly YamlNode Agent = Assert.Single(Pod.Elements("containers"));

    public static TheoryData<string> Configurations => [Base, "deploy/kubernetes/eks"];

    [Theory, MemberData(nameof(Configurations))]
    public void Configuration_OfTheConfigMap_IsAcceptedByTheHost(string folder)
    {
        var configuration = Load(folder);

        Assert.Empty(configuration.Errors(pluginSections: null));
        Assert.Equal("kubernetes", configuration.Options.Source.Plugin);
    }

    [Theory, MemberData(nameof(Configurations))]
    public void Probes_AskTheAgentWhereItListens(string folder)
    {
        var listen = Assert.IsType<IPEndPoint>(Load(folder).Options.Metrics.Listen);
        var port = Assert.Single(Agent.Elements("ports"));

        Assert.Equal(listen.Port, int.Parse(port.Text("containerPort")));
        foreach (var (probe, path) in new[] { ("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz") })
        {
            Assert.Equal(path, Agent.Text(probe, "httpGet", "path"));
            Assert.Equal(port.Text("name"), Agent.Text(probe, "httpGet", "port"));
            Assert.Equal(listen.Address.ToString(), Agent.Text(probe, "httpGet", "host"));
        }

        // The probes' loopback is the node's.
        Assert.Equal("true", Pod.Text("hostNetwork"));
    }

    [Theory, MemberData(nameof(Configurations))]
    public void Volumes_HoldWhatTheAgentOpens(string folder)
    {
        var hostPaths = Pod.Elements("volumes").Where(volume => Has(volume, "hostPath"))
            .ToDictionary(volume => volume.Text("name"), volume => volume.Text("hostPath", "path"));
        var mounts = Agent.Elements("volumeMounts").ToDictionary(mount => mount.Text("mountPath"), mount => mount.Text("name"));

        var socketFolder = Path.GetDirectoryName(Load(folder).Options.Api.Socket)!;
        foreach (var path in new[] { socketFolder, "/sys/fs/bpf", "/run/xtables.lock" })
        {
            Assert.Equal(path, hostPaths[mounts[path]]);
        }

        Assert.Equal("config", mounts[Path.GetDirectoryName(AgentConfiguration.DefaultFile)!]);
        Assert.True(File.Exists(Repository.PathOf($"{folder}/{Path.GetFileName(AgentConfiguration.DefaultFile)}")));
    }

    [Fact]
    public void NodeName_ComesFromTheDownwardApi()
    {
        var variable = Assert.Single(Agent.Elements("env"), entry => entry.Text("name") == "NODE_NAME");

        Assert.Equal("spec.nodeName", variable.Text("valueFrom", "fieldRef", "fieldPath"));
    }

    [Fact]
    public void Container_HasTheDocumentedCapabilitiesAndNoOthers()
    {
        var context = Agent.At("securityContext");

        Assert.Equal("false", context.Text("privileged"));
        Assert.Equal("false", context.Text("allowPrivilegeEscalation"));
        Assert.Equal("true", context.Text("readOnlyRootFilesystem"));
        Assert.Equal(["ALL"], context.Texts("capabilities", "drop"));
        var documented = DocumentedCapability().Matches(File.ReadAllText(Repository.PathOf("docs/kubernetes.md"))).Select(match => match.Groups["name"].Value);
        Assert.Equal(documented.Order(StringComparer.Ordinal), context.Texts("capabilities", "add").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ClusterRole_OnlyLists_AndWatches() =>
        Assert.All(Rules(), rule => Assert.Equal(["list", "watch"], rule.Texts("verbs")));

    [Fact]
    public void ClusterRole_NamesWhatTheSourceReads_AndNoMore()
    {
        var folder = Repository.PathOf(SourceFolder);
        Assert.SkipUnless(Directory.Exists(folder), $"{SourceFolder} is not in this tree");
        var source = string.Concat(Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Select(File.ReadAllText));
        var read = ReadKind().Matches(source).Select(match => match.Groups["plural"].Value).ToHashSet(StringComparer.Ordinal);
        var granted = Rules().SelectMany(rule => rule.Texts("resources")).ToList();

        Assert.NotEmpty(read);
        Assert.Empty(read.Except(granted));
        Assert.All(granted, resource => Assert.Contains($"\"{resource}\"", source, StringComparison.Ordinal));
    }

    private static AgentConfiguration Load(string folder) =>
        AgentConfiguration.Load(new ConfigurationArguments(Repository.PathOf(folder + "/portcullis.yaml"), []), new Hashtable { ["NODE_NAME"] = "node" });

    private static IEnumerable<YamlNode> Rules() =>
        Assert.Single(Yaml.File(Base + "/rbac.yaml"), document => document.Text("kind") == "ClusterRole").Elements("rules");

    private static bool Has(YamlNode node, string key) => ((YamlMappingNode)node).Children.ContainsKey(key);

    [GeneratedRegex(@"(new ApiKind<\w+>|Policies)\(\s*""(?<plural>[a-z]+)""", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex ReadKind();

    [GeneratedRegex(@"^\| `(?<name>[A-Z_]+)` \|", RegexOptions.ExplicitCapture | RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex DocumentedCapability();
}
