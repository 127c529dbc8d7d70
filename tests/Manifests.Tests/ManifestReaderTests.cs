using System.Diagnostics;
using System.Text;
using Portcullis.Net;
using Portcullis.Resources;

namespace Portcullis.Policy.Manifests;

public class ManifestReaderTests
{
    private const string Space = "apiVersion: v1\nkind: Namespace\nmetadata: { name: sp";

    [Theory]
    [InlineData("")]
    [InlineData("\n\n")]
    [InlineData("# only a comment\n")]
    [InlineData("---\n---\n...\n")]
    [InlineData("null")]
    [InlineData("\ufeff")]
    public void File_Empty_HoldsNothing(string text)
    {
        var read = Reading.Of(text);

        Assert.Empty(read.Resources);
        Assert.Empty(read.Findings);
        Assert.True(read.Complete);
    }

    [Fact]
    public void Documents_Many_AllAreReadWithTheirLines()
    {
        var read = Reading.Of($"# head\n---\n{Space}1 }}\n---\n\n{Space}2 }}\n--- # mark\n{Space}3 }}\n...\n---\n{{\"apiVersion\":\"v1\",\n\"kind\":\"Namespace\",\"metadata\":{{\"name\":\"sp4\"}}}}\n");

        Assert.Empty(read.Findings);
        Assert.Equal([("sp1", 3), ("sp2", 8), ("sp3", 12), ("sp4", 17)], read.Resources.Select(resource => (resource.Name, resource.Position.Line)));
    }

    [Fact]
    public void Documents_OneBroken_OthersAreRead()
    {
        var read = Reading.Of($"{Space}1 }}\n---\nkind: [\n---\n{Space}3 }}\n");

        Assert.Equal(["sp1", "sp3"], read.Resources.Select(resource => resource.Name));
        Assert.False(read.Complete);
        Assert.Equal(FindingSeverity.Error, Assert.Single(read.Findings).Severity);
    }

    [Fact]
    public void Syntax_BraceIsNotClosed_SaysWhatToLookFor()
    {
        var finding = Assert.Single(Reading.Of("kind: NetworkPolicy\nmetadata: { name: deny\nspec: [\n").Findings);

        Assert.Contains("not closed", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void List_OfAnyKind_IsRead()
    {
        var read = Reading.Of("""
            apiVersion: v1
            kind: List
            items:
            - apiVersion: v1
              kind: Namespace
              metadata: { name: a }
            - apiVersion: v1
              kind: NamespaceList
              items:
              - metadata: { name: b }
            """);

        Assert.Empty(read.Findings);
        Assert.Equal([("a", 4), ("b", 10)], read.Resources.Select(resource => (resource.Name, resource.Position.Line)));
    }

    [Theory]
    [InlineData("apiVersion: v1\nkind: ConfigMap\nmetadata: { name: x }", FindingSeverity.Note)]
    [InlineData("apiVersion: apps/v1\nkind: Deployment\nspec: { anything: [1] }", FindingSeverity.Note)]
    [InlineData("apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: { name: x }", FindingSeverity.Note)]
    [InlineData("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: { name: x }", FindingSeverity.Note)]
    [InlineData("apiVersion: apps/v1\nkind: DeploymentList\nitems: []", FindingSeverity.Note)]
    [InlineData("apiVersion: networking.k8s.io/v1\nkind: NetworkPolcy\nmetadata: { name: x }", FindingSeverity.Warning)]
    [InlineData("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: { name: x }", FindingSeverity.Note)]
    public void Kind_Other_IsIgnoredWithANote(string text, FindingSeverity severity)
    {
        var read = Reading.Of(text);

        Assert.Empty(read.Resources);
        Assert.Equal(severity, Assert.Single(read.Findings).Severity);
        Assert.True(read.Complete);
    }

    [Theory]
    [InlineData("foo", 1, 1)]
    [InlineData("- a\n- b", 1, 1)]
    [InlineData("a: 1", 1, 1)]
    [InlineData("kind: 3", 1, 1)]
    [InlineData("a: b: c", 1, 5)]
    [InlineData("a: [", 1, 5)]
    [InlineData("a: \"unclosed", 1, 4)]
    [InlineData("a: *nowhere", 1, 4)]
    [InlineData("a: &a [ *a ]", 1, 9)]
    [InlineData("a: !foo bar", 1, 4)]
    [InlineData("a: !!int bar", 1, 4)]
    [InlineData("? [a]\n: b", 1, 3)]
    [InlineData("<<: 3\na: 1", 1, 1)]
    [InlineData("{\"a\":", 1, 6)]
    [InlineData("a: b\nc: \0d", 2, 4)]
    [InlineData("a: \u0007", 1, 4)]
    [InlineData("\n\n\ta: b", 3, 2)]
    public void Syntax_Wrong_IsOneErrorWithAPlace(string text, int line, int column)
    {
        var read = Reading.Of(text);

        Assert.Empty(read.Resources);
        Assert.False(read.Complete);
        var finding = Assert.Single(read.Findings);
        Assert.Equal(FindingSeverity.Error, finding.Severity);
        Assert.Equal((line, column), (finding.Position.Line, finding.Position.Column));
        Assert.DoesNotContain('\n', finding.ToString());
    }

    [Fact]
    public void Encoding_InvalidUtf8_IsAnErrorWithAPlace()
    {
        var read = ManifestReader.Read([.. "a: b\nc: "u8, 0xff, 0xfe], Reading.File);

        Assert.Equal(new SourcePosition(Reading.File, 2, 4), Assert.Single(read.Findings).Position);
        Assert.False(read.Complete);
    }

    [Fact]
    public void Encoding_ByteOrderMark_IsSkipped() =>
        Assert.Equal("sp1", Reading.Clean<Namespace>($"\ufeff{Space}1 }}").Name);

    [Theory]
    [InlineData("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"sp\",\"annotations\":{\"a\":\"\\/\\ud83d\\ude00\"}}}")]
    [InlineData("\n  { \"apiVersion\" : \"v1\" ,\n\t\"kind\":\"Namespace\", \"metadata\":{\"name\":\"sp\"} }  \n")]
    [InlineData("{apiVersion: v1, kind: Namespace, metadata: {name: sp}}")]
    public void Json_OrFlowYaml_IsRead(string text) => Assert.Equal("sp", Reading.Clean<Namespace>(text).Name);

    [Fact]
    public void Json_SeveralValues_AreRead()
    {
        const string One = "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"a\"}}";

        Assert.Equal(["a", "b"], Reading.Of(One + "\n" + One.Replace("\"a\"", "\"b\"", StringComparison.Ordinal), "f.json").Resources.Select(r => r.Name));
    }

    [Theory]
    [InlineData("a: b", 1, 1)]
    [InlineData("{\n  \"kind\": \"Pod\",\n  \"x\": tru }", 3, 11)]
    [InlineData("{\"kind\":\"\\ud800\"}", 1, 9)]
    [InlineData("[1]", 1, 1)]
    public void Json_Wrong_IsOneErrorWithAPlace(string text, int line, int column)
    {
        var finding = Assert.Single(Reading.Of(text, "f.json").Findings);

        Assert.Equal((line, column), (finding.Position.Line, finding.Position.Column));
    }

    [Fact]
    public void Json_Positions_CountCharacters()
    {
        var read = Reading.Of("{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\n\"metadata\":{\"name\":\"sp\",\"annotations\":{\"ä\":\"ü\"},\"lables\":{}}}", "f.json");

        Assert.Contains(read.Findings, finding => finding.Position is { Line: 2, Column: 49 } && finding.Message.Contains("did you mean labels?", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("80", "80")]
    [InlineData("0x50", "80")]
    [InlineData("0o120", "80")]
    [InlineData("0120", "80")]
    [InlineData("0b1010000", "80")]
    [InlineData("8_0", "80")]
    [InlineData("080", "80")]
    [InlineData("80.0", "80")]
    [InlineData("8e1", "80")]
    [InlineData("!!int 80", "80")]
    [InlineData("http", "http")]
    [InlineData("!!str http", "http")]
    public void Scalar_OfPort_IsReadAsKubernetesDoes(string scalar, string expected)
    {
        var policy = Reading.Clean<NetworkPolicy>(Reading.Policy($"ingress: [ {{ ports: [ {{ port: {scalar} }} ] }} ]"));

        Assert.Equal(expected, policy.Ingress[0].Ports[0].Port.ToString());
    }

    [Theory]
    [InlineData("web", "web")]
    [InlineData("\"true\"", "true")]
    [InlineData("'1'", "1")]
    [InlineData("2024-01-01", "2024-01-01")]
    [InlineData("v1.10", "v1.10")]
    [InlineData("1.2.3", "1.2.3")]
    [InlineData("!!str 1", "1")]
    [InlineData("0x", "0x")]
    [InlineData("tRue", "tRue")]
    [InlineData("!!binary d2Vi", "web")]
    [InlineData("", "")]
    [InlineData("~", "")]
    public void Scalar_OfLabel_IsAString(string scalar, string expected)
    {
        var space = Reading.Clean<Namespace>($"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: sp\n  labels:\n    a: {scalar}\n");

        Assert.True(space.Labels.TryGetValue("a", out var value));
        Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("y")]
    [InlineData("n")]
    public void Scalar_OfOneLetter_IsAString(string scalar)
    {
        var pod = Reading.Clean<Workload>($"apiVersion: v1\nkind: Pod\nmetadata: {{ name: {scalar}, namespace: {scalar} }}");

        Assert.Equal(new NamespacedName(scalar, scalar), pod.Key.NamespacedName);
    }

    [Theory]
    [InlineData("true")]
    [InlineData("Yes")]
    [InlineData("off")]
    [InlineData("no")]
    [InlineData("1")]
    [InlineData("1.10")]
    [InlineData("12e4")]
    [InlineData("-1")]
    [InlineData(".5")]
    [InlineData("1_000")]
    [InlineData("0777")]
    [InlineData(".inf")]
    public void Scalar_OfLabel_ThatIsNoString_IsAnErrorAndKeepsItsKey(string scalar)
    {
        var read = Reading.Of($"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: sp\n  labels:\n    a: {scalar}\n");

        Assert.Equal(new SourcePosition(Reading.File, 6, 8), Assert.Single(read.Findings).Position);
        Assert.True(Assert.IsType<Namespace>(Assert.Single(read.Resources)).Labels.TryGetValue("a", out _));
    }

    [Fact]
    public void Alias_AndMerge_AreResolved()
    {
        var read = Reading.Of("""
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata: { name: x }
            spec:
              podSelector: &s
                matchLabels: { app: web }
              ingress:
              - from:
                - podSelector: *s
                - <<: { namespaceSelector: {} }
                  podSelector: {}
            """);

        Assert.Empty(read.Findings);
        var policy = Assert.IsType<NetworkPolicy>(Assert.Single(read.Resources));
        Assert.Equal(policy.PodSelector, policy.Ingress[0].Peers[0].PodSelector);
        Assert.Equal(new NetworkPolicyPeer(LabelSelector.Everything, LabelSelector.Everything, null), policy.Ingress[0].Peers[1]);
    }

    [Fact]
    public void Alias_Bomb_IsAnErrorAtOnce()
    {
        var text = new StringBuilder("a0: &a0 [x]\n");
        for (var i = 1; i < 40; i++)
        {
            text.Append($"a{i}: &a{i} [{string.Join(',', Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        var finding = Assert.Single(Reading.Of(text.ToString()).Findings);
        Assert.Contains("aliases add more than", finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[", "f.yaml")]
    [InlineData("{a: ", "f.yaml")]
    [InlineData("- ", "f.yaml")]
    [InlineData("? ", "f.yaml")]
    [InlineData("[", "f.json")]
    [InlineData("{\"a\":", "f.json")]
    public void Nesting_Deep_IsAnError(string unit, string file)
    {
        var read = Reading.Of(string.Concat(Enumerable.Repeat(unit, 100_000)), file);

        Assert.Equal(FindingSeverity.Error, Assert.Single(read.Findings).Severity);
        Assert.False(read.Complete);
    }

    [Fact]
    public void Documents_TenThousand_AreReadInSeconds()
    {
        var clock = Stopwatch.StartNew();
        var read = Reading.Of(string.Concat(Enumerable.Range(0, 10_000).Select(i => $"{Space}{i} }}\n---\n")));

        Assert.Equal(10_000, read.Resources.Length);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"took {clock.Elapsed}");
    }

    [Theory]
    [InlineData("a")]
    [InlineData("a: b\n")]
    [InlineData("- x\n")]
    [InlineData("{a: 1}\n---\n")]
    [InlineData("[1,")]
    [InlineData("# c\n")]
    [InlineData(" ")]
    [InlineData("\"")]
    [InlineData("&a ")]
    [InlineData("!t ")]
    [InlineData("'x\n")]
    [InlineData("|\n  ")]
    [InlineData("%YAML 1.1\n")]
    [InlineData("ab: |\n")]
    public void File_Huge_IsJudgedInBoundedTime(string unit)
    {
        var clock = Stopwatch.StartNew();
        var text = new StringBuilder();
        while (text.Length < LongRun.HugeFile)
        {
            text.Append(unit);
        }

        _ = Reading.Of(text.ToString());

        Assert.True(clock.Elapsed < TimeSpan.FromMinutes(2), $"took {clock.Elapsed}");
    }

    [Fact]
    public void File_TooLarge_IsAnError()
    {
        var finding = Assert.Single(ManifestReader.Read(new byte[ManifestReader.MaxFileBytes + 1], Reading.File).Findings);

        Assert.Contains("split it", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Object_TwiceInAFile_IsAnErrorAndTheFirstCounts()
    {
        var read = Reading.Of($"{Space} , labels: {{ a: b }} }}\n---\n{Space} }}\n");

        Assert.Contains("given twice; the one at f.yaml:1:1 counts", Assert.Single(read.Findings).Message, StringComparison.Ordinal);
        Assert.NotEmpty(Assert.IsType<Namespace>(Assert.Single(read.Resources)).Labels);
    }

    [Fact]
    public void Findings_TooManyOfOneObject_AreCutVisibly()
    {
        var labels = string.Join(", ", Enumerable.Range(0, 500).Select(i => $"k{i}: {i}"));
        var read = Reading.Of($"{Space}, labels: {{ {labels} }} }}");

        Assert.Equal(101, read.Findings.Length);
        Assert.Contains("the rest is not listed", read.Findings[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Findings_TooManyOfOneFile_AreCutVisibly()
    {
        var read = Reading.Of(string.Concat(Enumerable.Repeat("text\n---\n", 20_000)));

        Assert.Equal(10_001, read.Findings.Length);
        Assert.Equal("more than 10000 findings; the rest is not listed", read.Findings[^1].Message);
        Assert.Equal(10_000 * 2 + 1, read.Findings[^1].Position.Line);
    }

    [Fact]
    public void Message_WithForeignText_IsOneCleanLine()
    {
        var read = Reading.Of(Reading.Policy("\"a\\nb\\e[31m\": 1"));

        var finding = Assert.Single(read.Findings).ToString();
        Assert.DoesNotContain(finding, char.IsControl);
    }
}
