using System.Collections;
using System.Net;
using Portcullis.Datapaths;
using Portcullis.Host.Configuration;
using Portcullis.Policy;
using Xunit;

namespace Portcullis.Host.Tests;

public sealed class AgentConfigurationTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("pc-host-config-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Configuration_NothingGiven_HasTheDocumentedDefaults()
    {
        var options = Load(null, []).Options;

        Assert.Equal("file", options.Source.Plugin);
        Assert.Equal("auto", options.Datapath.Plugin);
        Assert.Equal(EnforcementMode.Standard, options.Enforcement.Mode);
        Assert.Equal(EstablishedConnections.Enforce, options.Enforcement.Established);
        Assert.False(options.Enforcement.AllowSpoofing);
        Assert.Equal(["eni", "vlan", "cali", "veth"], options.Enforcement.InterfacePrefixes);
        Assert.Equal(Environment.MachineName, options.Node.Name);
        Assert.Empty(options.Node.Addresses);
        Assert.Equal("portcullis", options.Node.Instance);
        Assert.Equal("/run/portcullis/agent.sock", options.Api.Socket);
        Assert.Equal(new IPEndPoint(IPAddress.Loopback, 9465), options.Metrics.Listen);
        Assert.Equal(Path.Combine(AppContext.BaseDirectory, "plugins"), options.Plugins.Path);
    }

    [Fact]
    public void Configuration_SeveralOrigins_LaterOnesWinKeyByKey()
    {
        var file = Write("enforcement: { mode: strict, established: keep, spoofing: allow }\nnode: { name: from-file }\n");

        var options = Load(file, ["enforcement.mode=audit"], ("PORTCULLIS__ENFORCEMENT__ESTABLISHED", "enforce"), ("PORTCULLIS__ENFORCEMENT__MODE", "standard")).Options;

        Assert.Equal(EnforcementMode.Audit, options.Enforcement.Mode);
        Assert.Equal(EstablishedConnections.Enforce, options.Enforcement.Established);
        Assert.True(options.Enforcement.AllowSpoofing);
        Assert.Equal("from-file", options.Node.Name);
    }

    [Theory]
    [InlineData("enforcement.interfacePrefixes=tap", new[] { "tap" })]
    [InlineData("enforcement.interfacePrefixes=tap,eni", new[] { "tap", "eni" })]
    [InlineData("enforcement.interfacePrefixes=[tap, eni]", new[] { "tap", "eni" })]
    [InlineData("enforcement.interfacePrefixes.0=tap", new[] { "tap" })]
    [InlineData("enforcement.interfacePrefixes=[]", new string[0])]
    [InlineData("enforcement.interfacePrefixes=", new string[0])]
    public void List_GivenAgainByALaterOrigin_IsReplacedAsAWhole(string set, string[] expected)
    {
        var file = Write("enforcement:\n  interfacePrefixes: [a, b, c]\n");

        var configuration = Load(file, [set]);

        Assert.Empty(configuration.Errors([]));
        Assert.Equal(expected, configuration.Options.Enforcement.InterfacePrefixes);
    }

    [Fact]
    public void Errors_ManyThingsWrong_AreAllListedWithTheirOrigins()
    {
        var file = Write("enforcement:\n  mode: strickt\n  spoofing: maybe\nnode:\n  instance: Not_Allowed\nsurprise: 1\nmetrics: 9465\n");

        var errors = Load(file, ["node.addresses=[10.0.0.1,ten]", "metrics.listen=nowhere", "oops", "enforcment.mode=audit"], ("PORTCULLIS__API__SOCKET", "")).Errors([]);

        Assert.Equal(
            [
                "--set oops: expected section.key=value",
                $"{file}:2: enforcement.mode: 'strickt' is none of standard, strict, audit",
                $"{file}:3: enforcement.spoofing: 'maybe' is none of deny, allow",
                "--set: node.addresses.1: 'ten' is not an IP address",
                $"{file}:5: node.instance: 'Not_Allowed' is not an instance name: 1 to 15 characters of a-z, 0-9 and -",
                "PORTCULLIS__API__SOCKET: api.socket: '' is empty: the socket needs a path",
                "--set: metrics.listen: 'nowhere' is not address:port, for example 127.0.0.1:9465 or [::1]:9465",
                "--set: enforcment.mode: unknown key; did you mean enforcement.mode?",
                $"{file}:7: metrics: is a section and takes no value of its own",
                $"{file}:6: surprise: unknown key",
            ],
            errors);
    }

    [Fact]
    public void Errors_PluginSections_BelongToThePluginsThatAreThere()
    {
        var configuration = Load(null, ["source.file.paths=/x", "source.kubernetes.kubeconfig=/y", "source.other.key=1", "datapath.ebpf.key=1"]);

        Assert.Equal(["--set: source.other.key: unknown key"], configuration.Errors(["source:file", "datapath:ebpf"]));
        Assert.Empty(configuration.Errors(pluginSections: null));
    }

    [Fact]
    public void Errors_BracketThatIsNotClosed_NamesFileAndLine()
    {
        var file = Write("datapath: [{ plugin: ebpf }\nnode: { instance: x }\napi: y\n");

        var error = Assert.Single(Load(file, []).Errors([]));

        Assert.StartsWith($"{file}:1: not valid YAML", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_OfAFileWithACharacterTooFewOrTooMany_NeverFailsOtherwiseThanBySayingSo()
    {
        const string text = "source: { plugin: file, file: { paths: [/a, \"b\"] } }\ndatapath: { plugin: ebpf }\nnode:\n  addresses:\n    - 10.0.0.1\n  name: 'n'\n# end\n";
        for (var position = 0; position < text.Length; position++)
        {
            AssertErrorsNameTheFile(text.Remove(position, 1));
            foreach (var added in "[]{}:,-'\"#&*!|>%@\t\n")
            {
                AssertErrorsNameTheFile(text.Insert(position, $"{added}"));
            }
        }

        void AssertErrorsNameTheFile(string changed)
        {
            var file = Write(changed);
            Assert.All(Load(file, []).Errors([]), error => Assert.StartsWith(file, error, StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Errors_SyntaxError_NamesFileAndLine()
    {
        var file = Write("node:\n  name: [unclosed\n");

        var error = Assert.Single(Load(file, []).Errors([]));

        Assert.StartsWith($"{file}:3:", error, StringComparison.Ordinal);
        Assert.Contains("not valid YAML", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_NamedFileIsMissing_SaysSo()
    {
        var file = Path.Combine(_folder.FullName, "absent.yaml");

        Assert.Equal([$"{file}: no such configuration file"], Load(file, []).Errors([]));
    }

    [Fact]
    public void NodeName_FromTheEnvironment_GivesWayToTheConfiguration()
    {
        Assert.Equal("pod-node", Load(null, [], ("NODE_NAME", "pod-node")).Options.Node.Name);
        Assert.Equal("mine", Load(null, ["node.name=mine"], ("NODE_NAME", "pod-node")).Options.Node.Name);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("[::1]:80", "[::1]:80")]
    [InlineData("localhost:81", "127.0.0.1:81")]
    [InlineData("0.0.0.0:82", "0.0.0.0:82")]
    public void MetricsListen_ValidForms_AreUnderstood(string text, string? expected)
    {
        var configuration = Load(null, [$"metrics.listen={text}"]);

        Assert.Empty(configuration.Errors([]));
        Assert.Equal(expected, configuration.Options.Metrics.Listen?.ToString());
    }

    private static AgentConfiguration Load(string? file, string[] sets, params (string Key, string Value)[] environment)
    {
        var variables = new Hashtable();
        foreach (var (key, value) in environment)
        {
            variables[key] = value;
        }

        return AgentConfiguration.Load(new ConfigurationArguments(file, sets, UseDefaultFile: false), variables);
    }

    private string Write(string text)
    {
        var path = Path.Combine(_folder.FullName, "portcullis.yaml");
        File.WriteAllText(path, text);
        return path;
    }
}
