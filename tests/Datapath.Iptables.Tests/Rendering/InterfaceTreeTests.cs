using CsCheck;
using Portcullis.Datapath.Iptables.Rendering;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class InterfaceTreeTests
{
    // As netfilter allows: a jump goes back to where it came from, a goto further up.
    private const int MaxSteps = 60;

    private const string Return = "-j RETURN";

    private static readonly Gen<string> Name = Gen.OneOf(
        Gen.String[Gen.Char["ab0"], 1, 15],
        Gen.String[Gen.Char["0123456789abcdef"], 11, 11].Select(hash => "eni" + hash));

    [Fact]
    public void Update_AnySequenceOfWorlds_LeadsEveryInterfaceToItsTargetAndOthersNowhere()
    {
        var worlds = Gen.Dictionary(Name, Gen.Int[0, 9].Select(number => $"target{number}"))[0, 60].Array[1, 4];
        Gen.Select(worlds, Name).Sample((sequence, stranger) =>
        {
            var tree = new InterfaceTree("-i", new Names("x"), 'i');
            var kernel = new Dictionary<string, Chain>();
            foreach (var world in sequence)
            {
                var changes = new ChainChanges();
                tree.Update(world, [changes]);
                foreach (var chain in changes.Written)
                {
                    kernel[chain.Name] = chain;
                }

                foreach (var name in changes.Removed)
                {
                    Assert.True(kernel.Remove(name), $"{name} was never there");
                }

                AssertLeads(kernel, tree.Root, world, stranger);
                Assert.Equal(kernel.Keys.Order(), tree.Chains.Select(chain => chain.Name).Order());
            }
        });
    }

    [Fact]
    public void Ahead_AnySequenceOfWorlds_LeadsAsTheChangesThemselvesAndSoDoTheLeftovers()
    {
        var worlds = Gen.Dictionary(Name, Gen.Int[0, 9].Select(number => $"target{number}"))[0, 60].Array[1, 5];
        Gen.Select(worlds, Name, Gen.Int[0, 4]).Sample((sequence, stranger, tidied) =>
        {
            var tree = new InterfaceTree("-i", new Names("x"), 'i');
            var kernel = new Dictionary<string, Chain>();
            var leftovers = new ChainChanges();
            foreach (var (index, world) in sequence.Index())
            {
                var changes = new ChainChanges();
                tree.Update(world, [changes]);
                Restore(kernel, RestoreScript.Ahead("t", changes));
                leftovers.AddLeftovers(changes);
                AssertLeads(kernel, tree.Root, world, stranger);
                if (index == tidied)
                {
                    Restore(kernel, RestoreScript.Of("t", leftovers));
                    leftovers = new ChainChanges();
                    AssertLeads(kernel, tree.Root, world, stranger);
                    Assert.Equal(tree.Chains.OrderBy(chain => chain.Name), kernel.Values.OrderBy(chain => chain.Name));
                }
            }
        });
    }

    [Fact]
    public void Update_OneOfAThousand_RewritesOneSmallChain()
    {
        var world = Enumerable.Range(0, 1000).ToDictionary(index => $"eni{index * 7919 % 100003:x5}", _ => "target");
        var tree = new InterfaceTree("-o", new Names("x"), 'o');
        tree.Update(world, [new ChainChanges()]);
        world["eni00001"] = "target";
        var changes = new ChainChanges();

        tree.Update(world, [changes]);

        Assert.True(changes.Written.Count <= 3, $"{changes.Written.Count} chains");
        Assert.All(changes.Written, chain => Assert.True(chain.Rules.Count <= 16, $"{chain.Rules.Count} rules"));
    }

    private static void AssertLeads(Dictionary<string, Chain> kernel, string root, Dictionary<string, string> world, string stranger)
    {
        foreach (var (name, target) in world)
        {
            Assert.Equal(target, Walk(kernel, root, name));
        }

        Assert.Equal(world.GetValueOrDefault(stranger), Walk(kernel, root, stranger));
    }

    // As iptables-restore --noflush does.
    private static void Restore(Dictionary<string, Chain> kernel, string script)
    {
        foreach (var words in script.Split('\n').Select(line => line.Split(' ', 3)))
        {
            switch (words[0])
            {
                case ['*', ..] or "COMMIT" or "":
                    break;
                case [':', ..]:
                    kernel[words[0][1..]] = new Chain(words[0][1..], []);
                    break;
                case "-A":
                    kernel[words[1]] = new Chain(words[1], [.. kernel[words[1]].Rules, words[2]]);
                    break;
                case "-I":
                    kernel[words[1]] = new Chain(words[1], [words[2], .. kernel[words[1]].Rules]);
                    break;
                case "-F":
                    kernel[words[1]] = new Chain(words[1], []);
                    break;
                default:
                    Assert.Equal("-X", words[0]);
                    Assert.Empty(kernel[words[1]].Rules);
                    Assert.DoesNotContain(kernel.Values, chain => chain.Rules.Any(rule => rule.EndsWith($"-g {words[1]}", StringComparison.Ordinal)));
                    kernel.Remove(words[1]);
                    break;
            }
        }
    }

    private static string? Walk(Dictionary<string, Chain> kernel, string chain, string name)
    {
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            var rule = kernel[chain].Rules.FirstOrDefault(rule => rule == Return || Matches(rule.Split(' ')[1], name));
            if (rule is null or Return)
            {
                return null;
            }

            chain = rule.Split(' ')[3];
            if (!kernel.ContainsKey(chain))
            {
                return chain;
            }
        }

        throw new InvalidOperationException($"no end in {MaxSteps} chains");
    }

    private static bool Matches(string pattern, string name) =>
        pattern.EndsWith('+') ? name.StartsWith(pattern[..^1], StringComparison.Ordinal) : name == pattern;
}
