using Portcullis.Datapaths;
using Portcullis.Host.Enforcement;
using Portcullis.Policy;
using Portcullis.Rules;
using Portcullis.Sources;
using Xunit;

namespace Portcullis.Host.Tests;

public sealed class EnforcementLoopTests
{
    [Fact]
    public async Task Loop_SourceNotSynced_LeavesTheDatapathAlone()
    {
        await using var fixture = new LoopFixture();

        fixture.Source.Send(LoopFixture.Pod("a", "10.0.0.1"));

        var status = await fixture.WaitAsync("revision 1", status => status.Revision == 1);
        Assert.False(status.Ready);
        Assert.False(fixture.Datapath.Attempts.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Loop_SourceSynced_AppliesTheWholeWorldFirst()
    {
        await using var fixture = new LoopFixture(links: LoopFixture.Links(("veth-a", 7)));

        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1", "veth-a"), LoopFixture.DenyAll("deny"));

        var first = await fixture.NextAsync("the first state");
        Assert.True(first.Replace);
        Assert.Equal(2, first.Revision);
        var endpoint = Assert.Single(first.Endpoints);
        Assert.Equal(new Link("veth-a", 7), endpoint.Link);
        Assert.NotNull(endpoint.Ingress);
        var status = await fixture.WaitAsync("ready", status => status.Ready);
        Assert.Equal((2, 2, 1, 1), (status.Revision, status.AppliedRevision, status.Endpoints, status.Policies));
    }

    [Fact]
    public async Task Loop_EmptyWorldSynced_IsReady()
    {
        await using var fixture = new LoopFixture();

        fixture.Source.Sync();

        Assert.True((await fixture.WaitAsync("ready", status => status.Ready)).Synced);
        Assert.True((await fixture.NextAsync("the first state")).Replace);
    }

    [Fact]
    public async Task Loop_FirstApplyFails_EndsWithTheReason()
    {
        await using var fixture = new LoopFixture();
        fixture.Datapath.Failure = new DatapathException("no room in the kernel");

        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));

        var failure = await Assert.ThrowsAsync<CommandException>(() => fixture.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal(ExitCode.Failure, failure.Code);
        Assert.Contains("no room in the kernel", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Loop_LaterApplyFails_KeepsTheLastStateAndRetriesTheWholeWorld()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.NextAsync("the first state");
        await fixture.WaitAsync("ready", status => status.Ready);
        fixture.Datapath.Failure = new DatapathException("table is full");

        fixture.Source.Send(LoopFixture.DenyAll("deny"));

        Assert.False((await fixture.NextAsync("the policy")).Replace);
        var failed = await fixture.WaitAsync("not ready", status => !status.Ready);
        Assert.Equal((2, 1), (failed.Revision, failed.AppliedRevision));
        Assert.Contains(failed.Problems, problem => problem.Message.Contains("table is full", StringComparison.Ordinal));

        fixture.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True((await fixture.NextAsync("the first retry")).Replace);
        fixture.Datapath.Failure = null;
        var recovered = await AdvanceUntilReadyAsync(fixture);
        Assert.Equal(2, recovered.AppliedRevision);
        Assert.DoesNotContain(recovered.Problems, problem => problem.Severity == FindingSeverity.Error);
        Assert.True((await fixture.NextAsync("the second retry")).Replace);
    }

    [Fact]
    public async Task Loop_ChangesWhileTheKernelIsWritten_AreTakenTogether()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync();
        await fixture.NextAsync("the first state");
        await fixture.WaitAsync("ready", status => status.Ready);
        fixture.Datapath.Gate = new TaskCompletionSource();
        fixture.Source.Send(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.NextAsync("the change that takes long");

        for (var i = 2; i < 12; i++)
        {
            fixture.Source.Send(LoopFixture.Pod($"p{i}", $"10.0.0.{i}"));
        }

        fixture.Datapath.Gate.SetResult();
        await fixture.WaitAsync("revision 11 applied", status => status.AppliedRevision == 11);
        var attempts = new List<ChangeSet>();
        while (fixture.Datapath.Attempts.Reader.TryRead(out var attempt))
        {
            attempts.Add(attempt);
        }

        Assert.Equal(10, attempts.Sum(attempt => attempt.Endpoints.Length));
        Assert.InRange(attempts.Count, 1, 9);
    }

    [Fact]
    public async Task Loop_ChangeWithoutEffect_CountsAndDisturbsNobody()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.NextAsync("the first state");
        await fixture.WaitAsync("ready", status => status.Ready);

        fixture.Source.Send(LoopFixture.Pod("a", "10.0.0.1"));

        await fixture.WaitAsync("revision 2 applied", status => status.AppliedRevision == 2);
        Assert.False(fixture.Datapath.Attempts.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Loop_InterfaceAppearsAndGoes_TellsTheDatapath()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1", "veth-a"));
        Assert.Null(Assert.Single((await fixture.NextAsync("the first state")).Endpoints).Link);

        fixture.SetLinks(("veth-a", 9));
        Assert.Equal(new Link("veth-a", 9), Assert.Single((await fixture.NextAsync("the interface")).Endpoints).Link);

        fixture.SetLinks(("veth-a", 10));
        Assert.Equal(new Link("veth-a", 10), Assert.Single((await fixture.NextAsync("the new interface")).Endpoints).Link);

        fixture.SetLinks();
        Assert.Null(Assert.Single((await fixture.NextAsync("no interface")).Endpoints).Link);
    }

    [Fact]
    public async Task Loop_DatapathReportsProblems_AreInTheStatus()
    {
        await using var fixture = new LoopFixture();
        fixture.Datapath.Problems = [new Finding(FindingSeverity.Error, default, "table ports", "is full; closed")];

        fixture.Source.Send(new SourceBatch { Synced = true, Problems = [new Finding(FindingSeverity.Warning, default, "file", "is odd")] });

        var status = await fixture.WaitAsync("ready", status => status.Ready);
        Assert.Equal(["file", "table ports"], status.Problems.Select(problem => problem.Object));
    }

    [Fact]
    public async Task Loop_SourceBreaks_EndsWithTheReason()
    {
        await using var fixture = new LoopFixture();

        fixture.Source.Break(new InvalidOperationException("disk on fire"));

        var failure = await Assert.ThrowsAsync<CommandException>(() => fixture.Running.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
        Assert.Equal(ExitCode.Failure, failure.Code);
        Assert.Contains("disk on fire", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Release_WhileRunning_CleansUpAndEnforcesNothingMore()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.NextAsync("the first state");
        await fixture.WaitAsync("ready", status => status.Ready);

        var removed = await fixture.Loop.ReleaseAsync(allInstances: false, TestContext.Current.CancellationToken);
        fixture.Source.Send(LoopFixture.Pod("b", "10.0.0.2"));

        Assert.Equal(["everything"], removed);
        Assert.True(fixture.Datapath.WasCleaned);
        var status = await fixture.WaitAsync("revision 2", status => status.Revision == 2);
        Assert.False(status.Ready);
        Assert.Equal(1, status.AppliedRevision);
        Assert.False(fixture.Datapath.Attempts.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Switch_ToAnotherDatapath_InstallsTheWholeWorldThenCleansTheOldOne()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.WaitAsync("ready", status => status.Ready);
        await using var next = new MemoryDatapath { Name = "next" };

        await fixture.Loop.SwitchAsync(next, new DatapathChoice("next", "asked for"), TestContext.Current.CancellationToken);

        Assert.True(next.Attempts.Reader.TryRead(out var world));
        Assert.True(world.Replace);
        Assert.Single(world.Endpoints);
        Assert.True(fixture.Datapath.WasCleaned);
        Assert.Equal("next", fixture.Loop.Status.Current.Datapath.Plugin);
        fixture.Source.Send(LoopFixture.Pod("b", "10.0.0.2"));
        await fixture.WaitAsync("revision 2 applied", status => status.AppliedRevision == 2);
        Assert.True(next.Attempts.Reader.TryRead(out var change));
        Assert.False(change.Replace);
    }

    [Fact]
    public async Task Switch_OtherDatapathFails_KeepsThePresentOne()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.WaitAsync("ready", status => status.Ready);
        await using var next = new MemoryDatapath { Name = "next", Failure = new DatapathException("not today") };

        var failure = await Assert.ThrowsAsync<CommandException>(
            () => fixture.Loop.SwitchAsync(next, new DatapathChoice("next", "asked for"), TestContext.Current.CancellationToken));

        Assert.Contains("not today", failure.Message, StringComparison.Ordinal);
        Assert.False(fixture.Datapath.WasCleaned);
        Assert.True(next.WasCleaned);
        Assert.Equal("memory", fixture.Loop.Status.Current.Datapath.Plugin);
    }

    [Fact]
    public async Task Switch_ToTheOneInUse_OnlyRemovesWhatOthersLeft()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.NextAsync("the first state");
        await fixture.WaitAsync("ready", status => status.Ready);

        var choice = await fixture.Loop.SwitchAsync(fixture.Datapath, new DatapathChoice("memory", "again"), TestContext.Current.CancellationToken);

        Assert.Equal("test", choice.Reason);
        Assert.False(fixture.Datapath.WasCleaned);
        Assert.Equal(["memory", "memory"], fixture.Others.RemovedFor);
        Assert.False(fixture.Datapath.Attempts.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Switch_OldDatapathCannotBeRemoved_IsAProblemUntilItCan()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.WaitAsync("ready", status => status.Ready);
        await using var next = new MemoryDatapath { Name = "next" };
        fixture.Others.Left = [new Finding(FindingSeverity.Error, default, "datapath memory", "could not be removed")];

        var failure = await Assert.ThrowsAsync<CommandException>(
            () => fixture.Loop.SwitchAsync(next, new DatapathChoice("next", "asked for"), TestContext.Current.CancellationToken));

        Assert.Equal(ExitCode.Failure, failure.Code);
        Assert.Equal("next", fixture.Loop.Status.Current.Datapath.Plugin);
        Assert.Contains(fixture.Loop.Status.Current.Problems, problem => problem.Object == "datapath memory");
        fixture.Others.Left = [];
        await fixture.Loop.SwitchAsync(next, new DatapathChoice("next", "asked for"), TestContext.Current.CancellationToken);
        Assert.Empty(fixture.Loop.Status.Current.Problems);
    }

    [Fact]
    public async Task Switch_PresentDatapathFails_RecoversByTheOther()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));
        await fixture.WaitAsync("ready", status => status.Ready);
        fixture.Datapath.Failure = new DatapathException("kernel out of order");
        fixture.Source.Send(LoopFixture.Pod("b", "10.0.0.2"));
        await fixture.WaitAsync("not ready", status => !status.Ready);
        await using var next = new MemoryDatapath { Name = "next" };
        var changes = 0;
        fixture.Loop.OnDatapathChanged = () => changes++;

        await fixture.Loop.SwitchAsync(next, new DatapathChoice("next", "asked for"), TestContext.Current.CancellationToken);

        var status = fixture.Loop.Status.Current;
        Assert.True(status.Ready);
        Assert.Equal((2, 1), (status.AppliedRevision, changes));
        Assert.Empty(status.Problems);
    }

    [Fact]
    public async Task Loop_FirstApplyFailsWithAChoice_FallsBackAndSaysWhy()
    {
        await using var fixture = new LoopFixture();
        await using var next = new MemoryDatapath { Name = "next" };
        fixture.Datapath.Failure = new DatapathException("no room in the kernel");
        fixture.Others.Fallback = next;

        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1"));

        var status = await fixture.WaitAsync("ready", status => status.Ready);
        Assert.Equal(("next", "memory: no room in the kernel"), (status.Datapath.Plugin, status.Datapath.Reason));
        Assert.True(next.Attempts.Reader.TryRead(out var world));
        Assert.True(world.Replace);
        await fixture.Loop.GetEndpointsAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["next"], fixture.Others.RemovedFor);
        Assert.True(fixture.Datapath.WasCleaned);
    }

    [Fact]
    public async Task Strict_UnknownPodInterface_IsClosedAndOpensForItsPod()
    {
        await using var fixture = new LoopFixture(EnforcementMode.Strict, LoopFixture.Links(("eni123", 4), ("eth0", 2)));
        fixture.Source.Sync();

        var first = await fixture.NextAsync("the first state");
        var closed = Assert.Single(first.Endpoints);
        Assert.Equal((new Link("eni123", 4), ClosedInterface.Ingress.Id, ClosedInterface.Egress.Id), (closed.Link!.Value, closed.Ingress!.Value, closed.Egress!.Value));
        Assert.Contains(ClosedInterface.Ingress, first.RuleSets);
        Assert.Contains(ClosedInterface.Egress, first.RuleSets);

        fixture.Source.Send(LoopFixture.Pod("a", "10.0.0.1", "eni123"));
        var known = await fixture.NextAsync("the pod");
        Assert.Equal("default/a", Assert.Single(known.Endpoints).Workload.ToString());
        Assert.Equal(closed.Workload, Assert.Single(known.RemovedEndpoints));
    }

    [Fact]
    public async Task Strict_UnknownPodInterface_IsClosedWithoutAnyChangeOfRules()
    {
        await using var fixture = new LoopFixture(EnforcementMode.Strict, LoopFixture.Links(("eth0", 2)));
        fixture.Source.Sync();
        var first = await fixture.NextAsync("the first state");
        Assert.Subset(first.RuleSets.ToHashSet(), ClosedInterface.RuleSets.ToHashSet());

        fixture.SetLinks(("eth0", 2), ("eni123", 4));
        var closed = await fixture.NextAsync("the interface");
        Assert.Equal(ClosedInterface.Ingress.Id, Assert.Single(closed.Endpoints).Ingress);
        Assert.Empty(closed.RuleSets);

        fixture.SetLinks(("eth0", 2));
        var gone = await fixture.NextAsync("the interface is gone");
        Assert.Single(gone.RemovedEndpoints);
        Assert.Empty(gone.RemovedRuleSets);
    }

    [Fact]
    public async Task Resolver_TwoWorkloadsOnOneInterface_ClosesItAndReports()
    {
        await using var fixture = new LoopFixture(links: LoopFixture.Links(("veth-a", 7)));

        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1", "veth-a"), LoopFixture.Pod("b", "10.0.0.2", "veth-a"));

        var first = await fixture.NextAsync("the first state");
        Assert.Equal(
            [(new Link("veth-a", 7), ClosedInterface.Ingress.Id), (null, null)],
            first.Endpoints.OrderBy(endpoint => endpoint.Workload).Select(endpoint => (endpoint.Link, endpoint.Ingress)));
        var status = await fixture.WaitAsync("ready", status => status.Ready);
        Assert.Contains(status.Problems, problem => problem.Object == "interface veth-a" && problem.Message.Contains("default/b", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Resolver_PolicedWorkloadWithoutInterface_IsReportedUntilThereIsOne()
    {
        await using var fixture = new LoopFixture();
        fixture.Source.Sync(LoopFixture.Pod("a", "10.0.0.1", "veth-a"), LoopFixture.Pod("b", "10.0.0.2"));
        Assert.Empty((await fixture.WaitAsync("ready", status => status.Ready)).Problems);

        fixture.Source.Send(LoopFixture.DenyAll("deny"));
        var problems = (await fixture.WaitAsync("the policy", status => status.AppliedRevision == 3)).Problems;
        Assert.Equal(["workload default/a", "workload default/b"], problems.Select(problem => problem.Object));
        Assert.Contains("no interface veth-a", problems[0].Message, StringComparison.Ordinal);
        Assert.Contains("no route to 10.0.0.2", problems[1].Message, StringComparison.Ordinal);

        fixture.SetLinks(("veth-a", 7));
        await fixture.WaitAsync("the interface", status => status.Problems.Length == 1 && status.Problems[0].Object == "workload default/b");
    }

    private static async Task<AgentStatus> AdvanceUntilReadyAsync(LoopFixture fixture)
    {
        // The retry's timer starts after the attempt is seen here: the status tells when it runs.
        await fixture.WaitAsync("failed again", status => !status.Ready);
        var ready = fixture.WaitAsync("ready again", status => status.Ready);
        while (!ready.IsCompleted)
        {
            fixture.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        return await ready;
    }
}
