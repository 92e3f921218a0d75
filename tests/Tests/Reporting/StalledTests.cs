using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>What is sent again, what only waits, what is given up.</summary>
public sealed class StalledPlanTests
{
    private static readonly DetectorHeartbeat[] Alive = [.. DetectorNames.All.Select(n => new DetectorHeartbeat { Name = n, Instance = "i", Ready = true, SeenAt = A.Start.AddMinutes(5) })];

    private readonly ReportingOptions options = new();
    private readonly FakeTimeProvider time = new(A.Start);

    [Fact]
    public void Ten_thousand_that_only_wait_are_left_alone_while_the_queue_moves()
    {
        var progress = new StepProgress(time);
        // Something sent a second before the oldest of them was answered just now.
        Answer(progress, sent: A.Start.AddSeconds(-1), at: A.Start.AddMinutes(5));
        var plan = new StalledPlan(options, progress, Alive, A.Start.AddMinutes(5));
        Enumerable.Range(0, 10_000).Count(i => plan.Decide(A.Record() with { StageSince = A.Start.AddMilliseconds(i) }) is not null).ShouldBe(0);
    }

    [Fact]
    public void One_that_was_overtaken_by_half_a_minute_is_sent_again()
    {
        var progress = new StepProgress(time);
        Answer(progress, sent: A.Start.AddSeconds(31), at: A.Start.AddMinutes(5));
        var plan = new StalledPlan(options, progress, Alive, A.Start.AddMinutes(5));
        plan.Decide(A.Record()).ShouldBe(new StepOverdue(Counted: true));
        plan.Decide(A.Record() with { StageSince = A.Start.AddSeconds(2) }).ShouldBeNull("29 seconds are within the disorder of a queue");
        plan.Decide(A.Record() with { StageAttempts = options.MaxResends }).ShouldBeOfType<StepAbandoned>().Detector.ShouldBeNull();
    }

    [Fact]
    public void When_nothing_completes_only_a_few_are_sent_again_to_find_out_why()
    {
        var progress = new StepProgress(time);
        var plan = new StalledPlan(options, progress, Alive, A.Start.AddMinutes(5));
        Enumerable.Range(0, 10_000).Count(_ => plan.Decide(A.Record()) is StepOverdue).ShouldBe(options.SweepProbe);
    }

    [Fact]
    public void While_nobody_answers_accepted_work_is_not_given_up_until_the_final_deadline()
    {
        var record = A.Record() with { StageAttempts = options.MaxResends, StageSince = A.Start.AddHours(12) };
        new StalledPlan(options, new StepProgress(time), Alive, A.Start.AddHours(13)).Decide(record).ShouldBe(new StepOverdue(Counted: false));
        var resent = new Analysis(A.Calibration, options).Apply(record, new StepOverdue(Counted: false), A.Start.AddHours(13))!.Record;
        resent.StageAttempts.ShouldBe(options.MaxResends);
        resent.StageDue.ShouldBe(A.Start.AddHours(13) + (options.Step * Math.Pow(2, options.MaxResends)), "no more often than the last time");

        var late = A.Start.AddHours(options.FinalDeadlineHours);
        new StalledPlan(options, new StepProgress(time), Alive, late).Decide(record with { StageSince = late.AddHours(-1) }).ShouldBeOfType<StepAbandoned>();
    }

    [Fact]
    public void A_process_that_just_started_does_not_take_its_own_ignorance_for_silence()
    {
        time.SetUtcNow(A.Start.AddMinutes(5));
        var progress = new StepProgress(time);
        new StalledPlan(options, progress, Alive, A.Start.AddMinutes(5.5)).Decide(A.Record()).ShouldBeNull();
    }

    [Fact]
    public void The_answer_of_one_localizer_says_nothing_of_the_other()
    {
        var progress = new StepProgress(time);
        var analysis = new Analysis(A.Calibration, options);
        var routed = Apply(analysis, Apply(analysis, A.Record(), A.Preprocessed()), A.Routed());
        var later = routed with { StageSince = A.Start.AddMinutes(2) };
        progress.Observe(later, Apply(analysis, later, A.Localized(DetectorNames.Shallowfake)), A.Start.AddMinutes(5));
        var waitsForDeepfake = Apply(analysis, routed, A.Localized(DetectorNames.Shallowfake));
        progress.Overtook("localize-shallowfake", A.Start, TimeSpan.FromSeconds(30)).ShouldBeTrue();
        progress.Overtook("localize-deepfake", A.Start, TimeSpan.FromSeconds(30)).ShouldBeFalse();
        StepProgress.Waiting(waitsForDeepfake.Findings).ShouldBe(["localize-deepfake"]);
    }

    [Fact]
    public void A_localizer_without_a_heartbeat_is_given_up_alone()
    {
        var analysis = new Analysis(A.Calibration, options);
        var routed = Apply(analysis, Apply(analysis, A.Record(), A.Preprocessed()), A.Routed());
        var plan = new StalledPlan(options, new StepProgress(time), [Alive[0]], A.Start.AddMinutes(5));
        plan.Decide(routed).ShouldBe(new StepAbandoned(DetectorNames.Deepfake, "No instance of the deepfake localizer is alive."));
        new StalledPlan(options, new StepProgress(time), [Alive[0]], A.Start.AddSeconds(100)).Decide(routed).ShouldNotBeOfType<StepAbandoned>("it may be restarting");
    }

    [Fact]
    public void After_a_day_it_is_over() =>
        new StalledPlan(options, new StepProgress(time), Alive, A.Start.AddHours(24)).Decide(A.Record()).ShouldBeOfType<StepAbandoned>();

    private static void Answer(StepProgress progress, DateTimeOffset sent, DateTimeOffset at)
    {
        var before = A.Record() with { StageSince = sent };
        progress.Observe(before, Apply(new Analysis(A.Calibration, new ReportingOptions()), before, A.Preprocessed()), at);
    }

    private static AnalysisRecord Apply(Analysis analysis, AnalysisRecord record, object @event) => analysis.Apply(record, @event, A.Start)!.Record;
}

/// <summary>The sweeps over a real database, without a bus that answers.</summary>
public sealed class SweepTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(A.Start);
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly ReportingOptions options = new();
    private ServiceProvider services = null!;

    private PlatformDatabase Database => services.GetRequiredService<PlatformDatabase>();

    private IAnalysisStore Store => services.GetRequiredService<IAnalysisStore>();

    public async Task InitializeAsync()
    {
        var collection = new ServiceCollection();
        collection.AddLogging();
        collection.AddSingleton<TimeProvider>(time);
        collection.AddSingleton(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder });
        collection.AddSingleton<Microsoft.Extensions.Configuration.IConfiguration>(new Microsoft.Extensions.Configuration.ConfigurationBuilder().Build());
        collection.AddSingleton(A.Calibration);
        collection.AddSingleton(options);
        collection.AddSingleton<PlatformDatabase>();
        collection.AddSingleton<OutboxStore>();
        collection.AddSingleton<IAnalysisSignals, LocalSignals>();
        collection.AddSingleton<IAnalysisStore, AnalysisStore>();
        collection.AddSingleton<IDetectorRegistry, DetectorRegistry>();
        collection.AddSingleton<IBlobStore, FileBlobStore>();
        collection.AddSingleton<IPlatformCache, InMemoryPlatformCache>();
        collection.AddSingleton<WebhookSchedule>();
        collection.AddSingleton<IWebhookScheduler>(s => s.GetRequiredService<WebhookSchedule>());
        foreach (var type in new[] { typeof(Analysis), typeof(ReportWriter), typeof(StepProgress), typeof(RecentRecords), typeof(BatchCompletion), typeof(AnalysisUpdater), typeof(StalledSweep), typeof(RetentionSweep), typeof(AnalysisEraser), typeof(StoredAnswers), typeof(BatchEraser), typeof(ZeroRetention), typeof(RenderedImages), typeof(Palimpsest.Reporting.Webhooks.DeliveryStore), typeof(NearDuplicates), typeof(EvidenceDecoders), typeof(EvidenceOptions) })
        {
            collection.AddSingleton(type);
        }

        services = collection.BuildServiceProvider();
        await new SchemaMigrator(Database, time, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
    }

    public async Task DisposeAsync()
    {
        await services.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_restart_with_an_empty_transport_sends_every_pending_step_once_and_spares_what_the_outbox_holds()
    {
        var preprocessed = Progressed("an_b", A.Preprocessed(id: "an_b"));
        await InsertAsync(A.Record("an_a"), preprocessed, Progressed("an_c", A.Preprocessed(id: "an_c"), A.Routed(id: "an_c")));
        await Store.InsertAsync([A.Record("an_d")], [OutboxMessage.Command(time, Queues.Preprocess, "an_d", (PreprocessImage)Analysis.Commands(A.Record("an_d"))[0].Message)], null, default);
        var sweep = services.GetRequiredService<StalledSweep>();
        time.Advance(TimeSpan.FromSeconds(5));
        await sweep.ResumeAsync(time.GetUtcNow(), default);
        await sweep.ResumeAsync(time.GetUtcNow(), default);
        (await OutboxAsync()).ShouldBe(["an_a preprocess-image", "an_b route-image", "an_c localize-deepfake", "an_c localize-shallowfake", "an_d preprocess-image"]);
    }

    [Fact]
    public async Task What_this_process_saved_last_is_used_again_and_what_others_saved_since_is_not_lost()
    {
        await InsertAsync(A.Record("an_a"));
        var updater = services.GetRequiredService<AnalysisUpdater>();
        (await updater.ApplyAsync("an_a", A.Preprocessed(id: "an_a"), default))!.Version.ShouldBe(2);
        var ours = services.GetRequiredService<RecentRecords>().Find("an_a").ShouldNotBeNull();
        ours.Version.ShouldBe(2);

        // Another instance routes it; ours does not know.
        var change = services.GetRequiredService<Analysis>().Apply((await Store.LoadAsync("an_a", default))!, A.Routed(id: "an_a"), time.GetUtcNow())!;
        (await Store.TrySaveAsync(change.Record, [], null, default)).ShouldNotBeNull();

        var again = await updater.ApplyAsync("an_a", A.Preprocessed(id: "an_a"), default);
        again!.Findings.Routing.ShouldNotBeNull("an event that changes nothing of what we knew is held against the record as it stands");
        var canceled = await updater.ApplyAsync("an_a", new AnalysisDeleted(), default);
        (canceled!.Version, canceled.Status).ShouldBe((4, AnalysisStatuses.Canceled));
        services.GetRequiredService<RecentRecords>().Find("an_a").ShouldBeNull("it has ended");
    }

    [Fact]
    public async Task What_was_lost_is_found_by_probing_and_then_all_sent_again_with_a_growing_wait()
    {
        await InsertAsync([.. Enumerable.Range(0, 100).Select(i => A.Record($"an_{i:000}"))]);
        var sweep = services.GetRequiredService<StalledSweep>();
        await sweep.SweepAsync(default);
        (await OutboxAsync()).ShouldBeEmpty("nothing is due yet");

        time.Advance(TimeSpan.FromSeconds(61));
        await sweep.SweepAsync(default);
        (await OutboxAsync()).Count.ShouldBe(options.SweepProbe);

        // A probe is answered: what was sent with it has arrived, so the older messages are lost.
        await Database.ExecuteAsync("DELETE FROM outbox", null, default);
        await services.GetRequiredService<AnalysisUpdater>().ApplyAsync("an_000", A.Preprocessed(id: "an_000"), default, asked: time.GetUtcNow());
        await sweep.SweepAsync(default);
        (await OutboxAsync()).Count.ShouldBe(100 - options.SweepProbe);

        var again = (await Store.LoadAsync("an_050", default))!;
        again.StageAttempts.ShouldBe(1);
        (again.StageDue!.Value - time.GetUtcNow()).ShouldBe(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task A_stage_that_only_paused_goes_on_with_its_first_messages_and_nothing_is_sent_again_but_the_probes()
    {
        await InsertAsync([.. Enumerable.Range(0, 100).Select(i => A.Record($"an_{i:000}"))]);
        var (sweep, updater) = (services.GetRequiredService<StalledSweep>(), services.GetRequiredService<AnalysisUpdater>());
        time.Advance(TimeSpan.FromSeconds(61));
        await sweep.SweepAsync(default);
        (await OutboxAsync()).Count.ShouldBe(options.SweepProbe);
        await Database.ExecuteAsync("DELETE FROM outbox", null, default);

        // The messages of their acceptance were in the queue all the time, those that were probed at its head; the probes are behind them all.
        for (int i = 0; i < 60; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await updater.ApplyAsync($"an_{i:000}", A.Preprocessed(id: $"an_{i:000}"), default, asked: A.Start);
            await sweep.SweepAsync(default);
        }

        (await OutboxAsync()).ShouldBeEmpty();
        (await Store.LoadAsync("an_080", default))!.StageAttempts.ShouldBe(0);
    }

    [Fact]
    public async Task Zero_retention_waits_for_the_delivery_and_without_a_webhook_for_a_grace()
    {
        var zero = A.Request("an_z") with { ZeroRetention = true };
        var hooked = await EndedAsync("an_h", A.Request("an_h") with { ZeroRetention = true, CallbackUrl = "https://example.com/" });
        await InsertAsync(await EndedAsync("an_z", zero), hooked, await EndedAsync("an_k", A.Request("an_k")));
        await Database.ExecuteAsync(
            """
            INSERT INTO webhook_deliveries (id, tenant, analysis_id, url, target, event, body, state, attempts, created_at)
            VALUES ('wd_1', 'acme', 'an_h', 'https://example.com/', 'https://example.com', 'analysis.completed', '{}', 'pending', 0, 0)
            """, null, default);
        var sweep = services.GetRequiredService<RetentionSweep>();
        (await sweep.EraseAsync(default)).ShouldBe(0);

        time.Advance(TimeSpan.FromMinutes(options.ZeroRetentionGraceMinutes + 1));
        (await sweep.EraseAsync(default)).ShouldBe(1);
        await ErasedAsync("an_z");

        await Database.ExecuteAsync("UPDATE webhook_deliveries SET state = 'delivered', delivered_at = @now", new { now = time.GetUtcNow().ToUnixTimeMilliseconds() }, default);
        time.Advance(TimeSpan.FromSeconds(options.RetentionSweepSeconds + 1));
        (await sweep.EraseAsync(default)).ShouldBe(0, "the receiver may still fetch the mask");
        time.Advance(TimeSpan.FromSeconds(options.ZeroRetentionFetchSeconds));
        (await sweep.EraseAsync(default)).ShouldBe(1);
        await ErasedAsync("an_h");

        (await Store.LoadAsync("an_k", default))!.ErasedAt.ShouldBeNull();
        time.Advance(TimeSpan.FromDays(30));
        (await sweep.EraseAsync(default)).ShouldBe(1);
        await ErasedAsync("an_k");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Zero_retention_ends_soon_after_the_client_was_given_the_result(bool sweptBefore)
    {
        var zero = services.GetRequiredService<ZeroRetention>();
        await InsertAsync(await EndedAsync("an_z", A.Request("an_z") with { ZeroRetention = true }), await EndedAsync("an_k", A.Request("an_k")));
        var sweep = services.GetRequiredService<RetentionSweep>();
        if (sweptBefore)
        {
            (await sweep.EraseAsync(default)).ShouldBe(0);
        }

        foreach (string id in (string[])["an_z", "an_z", "an_k"])
        {
            await zero.DeliveredAsync((await Store.LoadAsync(id, default))!, default);
        }

        (await sweep.EraseAsync(default)).ShouldBe(0, "the client may fetch the mask");
        time.Advance(TimeSpan.FromSeconds(options.ZeroRetentionFetchSeconds - 5));
        await zero.DeliveredAsync((await Store.LoadAsync("an_z", default))!, default);
        time.Advance(TimeSpan.FromSeconds(6));
        (await sweep.EraseAsync(default)).ShouldBe(1, "asking again puts nothing off");
        await ErasedAsync("an_z");
        (await Store.LoadAsync("an_k", default))!.ErasedAt.ShouldBeNull();
    }

    [Fact]
    public async Task Blobs_that_no_analysis_speaks_of_are_removed_when_old()
    {
        var blobs = services.GetRequiredService<IBlobStore>();
        await InsertAsync(A.Record("an_known"));
        await blobs.PutAsync("an_known/upload", new MemoryStream([1]), default);
        await blobs.PutAsync("an_lost/upload", new MemoryStream([1]), default);
        time.SetUtcNow(DateTimeOffset.UtcNow.AddMinutes(1));
        var sweep = services.GetRequiredService<RetentionSweep>();
        (await sweep.RemoveOrphansAsync(default)).ShouldBe(0);
        time.Advance(TimeSpan.FromHours(options.OrphanHours));
        (await sweep.RemoveOrphansAsync(default)).ShouldBe(1);
        (await blobs.ExistsAsync("an_known/upload", default)).ShouldBeTrue();
        (await blobs.ExistsAsync("an_lost/upload", default)).ShouldBeFalse();
    }

    [Fact]
    public async Task Where_many_are_kept_a_day_of_hourly_looks_finds_every_blob_that_no_analysis_speaks_of()
    {
        await Database.ExecuteAsync(
            """
            WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10001)
            INSERT INTO analyses (id, tenant, version, status, stage, stage_since, stage_attempts, created_at, sha256, expires_at, request, findings)
            SELECT 'an_' || n, 'acme', 1, 'succeeded', 'reporting', 0, 0, 0, '', 0, '{}', '{}' FROM numbers
            """, null, default);
        var blobs = services.GetRequiredService<IBlobStore>();
        for (int i = 0; i < 256; i++)
        {
            await blobs.PutAsync($"an_lost{i:x2}/upload", new MemoryStream([1]), default);
        }

        time.SetUtcNow(DateTimeOffset.UtcNow.AddMinutes(1).AddHours(options.OrphanHours));
        var removed = new List<int>();
        for (int hour = 0; hour < 24; hour++)
        {
            removed.Add(await services.GetRequiredService<RetentionSweep>().RemoveOrphansAsync(default));
            time.Advance(TimeSpan.FromHours(1));
        }

        removed.Sum().ShouldBe(256);
        removed.ShouldAllBe(n => n < 20);
    }

    [Fact]
    public async Task A_localizer_that_went_away_is_forgotten_after_two_days()
    {
        var registry = services.GetRequiredService<IDetectorRegistry>();
        await registry.BeatAsync(new DetectorHeartbeat { Name = DetectorNames.Deepfake, Instance = "gone", Ready = true }, default);
        time.Advance(TimeSpan.FromDays(2));
        await registry.BeatAsync(new DetectorHeartbeat { Name = DetectorNames.Deepfake, Instance = "here", Ready = true }, default);
        var sweep = services.GetRequiredService<RetentionSweep>();
        await sweep.RemoveRecordsAsync(default);
        (await Database.QueryFirstAsync<long>("SELECT count(*) FROM detectors", null, default)).ShouldBe(2);
        time.Advance(TimeSpan.FromSeconds(1));
        await sweep.RemoveRecordsAsync(default);
        (await Database.QueryAsync<string>("SELECT instance FROM detectors", null, default)).ShouldBe(["here"]);
    }

    [Fact]
    public async Task Files_that_a_killed_process_had_begun_are_removed_when_old()
    {
        string begun = services.GetRequiredService<IBlobStore>().CreateTemporaryPath();
        await File.WriteAllTextAsync(begun, "half a picture");
        time.SetUtcNow(DateTimeOffset.UtcNow.AddMinutes(1));
        var sweep = services.GetRequiredService<RetentionSweep>();
        await sweep.RemoveOrphansAsync(default);
        File.Exists(begun).ShouldBeTrue("somebody may be writing it");
        time.Advance(TimeSpan.FromHours(options.OrphanHours));
        await sweep.RemoveOrphansAsync(default);
        File.Exists(begun).ShouldBeFalse();
    }

    [Fact]
    public async Task Records_of_erased_analyses_go_after_their_time()
    {
        await InsertAsync(await EndedAsync("an_kept", A.Request("an_kept")), (await EndedAsync("an_gone", A.Request("an_gone") with { BatchId = "ba_1" })) with { ErasedAt = A.Start });
        await Database.ExecuteAsync(
            "INSERT INTO batches (id, tenant, created_at, completed_at, total, rejected) VALUES ('ba_1', 'acme', @at, @at, 1, '[]')", new { at = A.Start.ToUnixTimeMilliseconds() }, default);
        await Database.ExecuteAsync("INSERT INTO feedback (analysis_id, tenant, label, created_at) VALUES ('an_gone', 'acme', 'real', 1)", null, default);
        var sweep = services.GetRequiredService<RetentionSweep>();

        time.SetUtcNow(A.Start.AddDays(options.RecordDays));
        (await sweep.RemoveRecordsAsync(default)).ShouldBe(0);
        time.Advance(TimeSpan.FromSeconds(1));
        (await sweep.RemoveRecordsAsync(default)).ShouldBe(1);

        (await Store.LoadAsync("an_gone", default)).ShouldBeNull();
        (await Store.LoadAsync("an_kept", default)).ShouldNotBeNull();
        (await Database.QueryFirstAsync<long>("SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM feedback)", null, default)).ShouldBe(0);
    }

    [Fact]
    public async Task Prepared_pixels_of_an_ended_analysis_go_when_old_or_when_an_event_comes_late()
    {
        var blobs = services.GetRequiredService<IBlobStore>();
        await InsertAsync(await EndedAsync("an_late", A.Request("an_late")), await EndedAsync("an_old", A.Request("an_old")), A.Record("an_open"));
        foreach (string id in new[] { "an_late", "an_old", "an_open" })
        {
            await blobs.PutAsync(BlobKeys.Prepared(id), new MemoryStream([1]), default);
        }

        await services.GetRequiredService<AnalysisUpdater>().ApplyAsync("an_late", A.Preprocessed(id: "an_late"), default);
        (await blobs.ExistsAsync(BlobKeys.Prepared("an_late"), default)).ShouldBeFalse();

        time.SetUtcNow(DateTimeOffset.UtcNow.AddMinutes(1).AddHours(options.OrphanHours));
        await services.GetRequiredService<RetentionSweep>().RemoveOrphansAsync(default);
        (await blobs.ExistsAsync(BlobKeys.Prepared("an_old"), default)).ShouldBeFalse();
        (await blobs.ExistsAsync(BlobKeys.Prepared("an_open"), default)).ShouldBeTrue("somebody still needs them");
        (await blobs.ExistsAsync("an_old/upload", default)).ShouldBeTrue();
    }

    private async Task ErasedAsync(string id)
    {
        var record = (await Store.LoadAsync(id, default))!;
        record.ErasedAt.ShouldNotBeNull();
        record.Findings.Error!.Code.ShouldBe(ErrorCodes.ImageCorrupt, "the outcome stays");
        (await services.GetRequiredService<IBlobStore>().ExistsAsync(id + "/upload", default)).ShouldBeFalse();
    }

    private async Task<AnalysisRecord> EndedAsync(string id, AnalysisRequest request)
    {
        await services.GetRequiredService<IBlobStore>().PutAsync(id + "/upload", new MemoryStream([1]), default);
        return Analysis.Fail(A.Record(id, request), ErrorCodes.ImageCorrupt, "Broken.", A.Start);
    }

    private static AnalysisRecord Progressed(string id, params object[] events) =>
        events.Aggregate(A.Record(id), (record, e) => new Analysis(A.Calibration, new ReportingOptions()).Apply(record, e, A.Start)!.Record);

    private Task InsertAsync(params AnalysisRecord[] records) => Store.InsertAsync(records, [], null, default);

    private async Task<IReadOnlyList<string>> OutboxAsync() => await Database.QueryAsync<string>("SELECT analysis_id || ' ' || destination FROM outbox ORDER BY 1", null, default);
}
