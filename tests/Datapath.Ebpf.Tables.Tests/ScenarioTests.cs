using CsCheck;

namespace Portcullis.Datapath.Ebpf.Tables.Tests;

public sealed class ScenarioTests
{
    [Fact]
    public void Tables_AfterEveryStoreOfRandomChanges_JudgeByOldOrNewMembership() =>
        Gen.Select(Gen.Int, Gen.Int[1, 12]).Sample(
            (seed, steps) => Scenario.Run(seed, steps),
            iter: int.Parse(Environment.GetEnvironmentVariable("PORTCULLIS_SCENARIOS") ?? "300"),
            threads: 1);
}
