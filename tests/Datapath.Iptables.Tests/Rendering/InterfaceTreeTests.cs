using CsCheck;
using Portcullis.Datapath.Iptables.Rendering;

namespace Portcullis.Datapath.Iptables.Tests.Rendering;

public sealed class InterfaceTreeTests
{
    // As netfilter allows: a jump goes back to where it came from, a goto further up.
    private const int MaxSteps = 60;

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

                foreach (var (name, target) in world)
                {
                    Assert.Equal(target, Walk(kernel, tree.Root, name));
                }

                Assert.Equal(world.GetValueOrDefault(stranger), Walk(kernel, tree.Root, stranger));
                Assert.Equal(kernel.Keys.Order(), tree.Chains.Select(chain => chain.Name).Order());
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

    private static string? Walk(Dictionary<string, Chain> kernel, string chain, string name)
    {
        for (var steps = 0; steps < MaxSteps; steps++)
        {
            var rule = kernel[chain].Rules.FirstOrDefault(rule => Matches(rule.Split(' ')[1], name));
            if (rule is null)
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
