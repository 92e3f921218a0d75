using Palimpsest.Contracts;
using Palimpsest.Local.Client;
using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>Servers that go away and come back. Skipped for servers that the environment provides: those are not ours to stop.</summary>
[Collection(PlatformCollection.Name)]
public sealed class OutageTests(TestPlatform platform)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    [SkippableFact]
    public async Task While_the_broker_is_down_submissions_are_accepted_and_done_after_it_returns()
    {
        var broker = platform.Host.Servers.RabbitMq;
        Skip.If(broker is null, "RABBITMQ_URL names a broker that is not ours to stop.");
        await broker.StopAsync();
        var accepted = new List<AnalysisDocument>();
        try
        {
            for (int i = 0; i < 3; i++)
            {
                accepted.Add(await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(2000 + i)), "p.jpg"));
            }

            await Task.Delay(TimeSpan.FromSeconds(2));
            (await platform.Client.GetAsync(accepted[0].Id)).Status.ShouldBe(AnalysisStatuses.Queued);
        }
        finally
        {
            await broker.StartAsync(CancellationToken.None);
        }

        foreach (var analysis in accepted)
        {
            (await platform.Client.WaitAsync(analysis.Id, Patience)).Status.ShouldBe(AnalysisStatuses.Succeeded);
        }

        await platform.ReadyAsync();
    }

    [SkippableFact]
    public async Task A_broker_that_takes_nothing_for_want_of_memory_holds_up_and_loses_nothing()
    {
        Skip.IfNot(platform.Host.Servers.RabbitMq is RabbitMqServer, "RABBITMQ_URL names a broker that is not ours to set.");
        var broker = (RabbitMqServer)platform.Host.Servers.RabbitMq!;
        var accepted = new List<AnalysisDocument>();
        // Any publisher is blocked from here on (connection.blocked), consumers in the middle of their work too.
        accepted.Add(await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(2050)), "p.jpg"));
        await broker.ControlAsync("set_vm_memory_high_watermark", "absolute", "1MB");
        try
        {
            for (int i = 1; i < 5; i++)
            {
                accepted.Add(await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(2050 + i)), "p.jpg"));
            }

            await Task.Delay(TimeSpan.FromSeconds(12));
            (await platform.Client.GetAsync(accepted[^1].Id)).Status.ShouldBe(AnalysisStatuses.Queued);
        }
        finally
        {
            await broker.ControlAsync("set_vm_memory_high_watermark", "absolute", "1GB");
        }

        foreach (var analysis in accepted)
        {
            var ended = await platform.Client.WaitAsync(analysis.Id, Patience);
            ended.Status.ShouldBe(AnalysisStatuses.Succeeded, ended.Error?.Detail);
            ended.Detectors.Single(d => d.Name == DetectorNames.Shallowfake).State.ShouldBe(DetectorStates.Completed);
        }
    }

    [SkippableFact]
    public async Task Without_Redis_results_are_still_right()
    {
        var redis = platform.Host.Servers.Redis;
        Skip.If(redis is null, "REDIS_URL names a server that is not ours to stop.");
        byte[] picture = TestPictures.Forged(2100);
        await redis.StopAsync();
        try
        {
            var finished = await platform.Client.WaitAsync((await platform.Client.SubmitAsync(new MemoryStream(picture), "p.jpg")).Id, Patience);
            finished.Status.ShouldBe(AnalysisStatuses.Succeeded);
            var (_, mask) = await HappyPathTests.ScanAsync(picture);
            Masks.Difference(await platform.Client.MaskAsync(finished.Id), mask).ShouldBeLessThanOrEqualTo(1);
        }
        finally
        {
            await redis.StartAsync(CancellationToken.None);
        }
    }

    [SkippableFact]
    public async Task A_restart_of_PostgreSQL_costs_nothing_that_was_accepted()
    {
        var postgres = platform.Host.Servers.Postgres;
        Skip.If(postgres is null, "POSTGRES_URL names a server that is not ours to stop.");
        var accepted = new List<AnalysisDocument>();
        for (int i = 0; i < 6; i++)
        {
            accepted.Add(await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(2200 + i)), "p.jpg"));
        }

        await postgres.StopAsync();
        try
        {
            // Without the database there is no promise to make: the client is told to come back.
            var refused = await Should.ThrowAsync<PalimpsestProblemException>(() => platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(2300)), "p.jpg"));
            ((int)refused.Status).ShouldBe(503);
        }
        finally
        {
            await postgres.StartAsync(CancellationToken.None);
        }

        foreach (var analysis in accepted)
        {
            var finished = await platform.Client.WaitAsync(analysis.Id, Patience);
            finished.Status.ShouldBe(AnalysisStatuses.Succeeded, finished.Error?.Detail);
            finished.Detectors.Single(d => d.Name == DetectorNames.Shallowfake).State.ShouldBe(DetectorStates.Completed);
        }

        await platform.ReadyAsync();
    }
}
