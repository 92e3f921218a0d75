using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using MassTransit;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

/// <summary>The outbox over a real SQLite file.</summary>
[Collection(AloneCollection.Name)]
public sealed class OutboxTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private PlatformDatabase database = null!;
    private OutboxStore outbox = null!;
    private AnalysisStore store = null!;

    public async Task InitializeAsync()
    {
        var settings = new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder };
        database = new PlatformDatabase(settings);
        await new SchemaMigrator(database, time, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
        outbox = new OutboxStore(database, settings, time);
        store = new AnalysisStore(database, outbox, new LocalSignals());
    }

    public async Task DisposeAsync()
    {
        outbox.Dispose();
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Applying_the_schema_twice_changes_nothing()
    {
        await new SchemaMigrator(database, time, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
        (await database.QueryFirstAsync<long>("SELECT count(*) FROM schema_versions", null, default)).ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task A_claimed_row_is_hidden_until_its_claim_ends_and_gone_once_removed()
    {
        await store.InsertAsync([Record("an_1")], [Command("an_1")], null, default);
        var first = await outbox.ClaimAsync(10, default);
        first.Count.ShouldBe(1);
        (await outbox.ClaimAsync(10, default)).ShouldBeEmpty();
        time.Advance(TimeSpan.FromSeconds(11));
        (await outbox.ClaimAsync(10, default)).Single().Id.ShouldBe(first[0].Id, "a dispatcher that died must not lose the row");
        await outbox.RemoveAsync([first[0].Id], default);
        time.Advance(TimeSpan.FromSeconds(11));
        (await outbox.ClaimAsync(10, default)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_clock_that_is_set_back_hides_no_row_for_longer_than_an_hour()
    {
        await store.InsertAsync([Record("an_1")], [Command("an_1")], null, default);
        (await outbox.ClaimAsync(10, default)).Count.ShouldBe(1); // by a dispatcher that dies now
        time.AdjustTime(time.GetUtcNow() - TimeSpan.FromDays(1));
        (await outbox.ClaimAsync(10, default)).Count.ShouldBe(1);
        (await outbox.ClaimAsync(10, default)).ShouldBeEmpty("it is claimed by today's clock");
    }

    [Fact]
    public async Task Rows_come_back_in_the_order_they_were_written_and_open_as_the_contract()
    {
        for (int i = 0; i < 5; i++)
        {
            await store.InsertAsync([Record($"an_{i}")], [Command($"an_{i}")], null, default);
            time.Advance(TimeSpan.FromMilliseconds(2));
        }

        var rows = await outbox.ClaimAsync(10, default);
        rows.Select(r => r.AnalysisId).ShouldBe(["an_0", "an_1", "an_2", "an_3", "an_4"]);
        rows[3].Open().Message.ShouldBeOfType<PreprocessImage>().AnalysisId.ShouldBe("an_3");
    }

    [Fact]
    public async Task What_this_process_commits_it_has_at_hand_and_nobody_else_sends()
    {
        outbox.Send(here: true);
        await store.InsertAsync([Record("an_1"), Record("an_2")], [Command("an_1"), Command("an_2")], null, default);
        (await outbox.ClaimAsync(10, default)).ShouldBeEmpty();
        outbox.TakeUnclaimed().ShouldBeFalse();
        var row = outbox.TakeAtHand(1).ShouldHaveSingleItem();
        row.Open().Message.ShouldBeOfType<PreprocessImage>().AnalysisId.ShouldBe("an_1");
        outbox.TakeAtHand(10).ShouldHaveSingleItem().AnalysisId.ShouldBe("an_2");
        await outbox.RemoveAsync([row.Id], default);
        time.Advance(TimeSpan.FromSeconds(11));
        (await outbox.ClaimAsync(10, default)).ShouldHaveSingleItem("a process that died with a row at hand must not lose it").AnalysisId.ShouldBe("an_2");
    }

    [Fact]
    public async Task What_lay_at_hand_for_too_long_is_left_to_whoever_looks_into_the_table()
    {
        outbox.Send(here: true);
        await store.InsertAsync([Record("an_1")], [Command("an_1")], null, default);
        time.Advance(TimeSpan.FromSeconds(11));
        outbox.TakeAtHand(10).ShouldBeEmpty();
        (await outbox.ClaimAsync(10, default)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Only_what_may_leave_now_and_fits_is_kept_at_hand()
    {
        outbox.Send(here: true);
        await store.InsertAsync([Record("an_1")], [Command("an_1") with { NotBefore = time.GetUtcNow().AddSeconds(30) }], null, default);
        outbox.TakeAtHand(10).ShouldBeEmpty();
        outbox.TakeUnclaimed().ShouldBeTrue();
        (await outbox.ClaimAsync(10, default)).ShouldBeEmpty();
        time.Advance(TimeSpan.FromSeconds(31));
        (await outbox.ClaimAsync(10, default)).ShouldHaveSingleItem();

        await store.InsertAsync([], [.. Enumerable.Range(0, 600).Select(i => Command($"an_{i}"))], null, default);
        outbox.TakeAtHand(1000).ShouldBeEmpty();
        outbox.TakeUnclaimed().ShouldBeTrue();
        (await outbox.ClaimAsync(1000, default)).Count.ShouldBe(600, "more than is sent in a moment waits for any dispatcher");
    }

    [Fact]
    public async Task What_is_undone_is_not_at_hand()
    {
        outbox.Send(here: true);
        await Should.ThrowAsync<InvalidOperationException>(() => store.InsertAsync([Record("an_1")], [Command("an_1")], _ => throw new InvalidOperationException("no"), default));
        await store.InsertAsync([Record("an_2")], [], null, default);
        var seen = (await store.LoadAsync("an_2", default))!;
        await store.TrySaveAsync(seen, [], null, default);
        (await store.TrySaveAsync(seen, [Command("an_2")], null, default)).ShouldBeNull();
        outbox.TakeAtHand(10).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_dispatcher_sends_what_it_is_handed_and_leaves_the_rest_to_others()
    {
        await store.InsertAsync([Record("an_0")], [Command("an_0")], null, default);
        time.SetUtcNow(DateTimeOffset.UtcNow);
        (await outbox.ClaimAsync(10, default)).ShouldHaveSingleItem("claimed by a process that was killed");
        await using var running = await RunningAsync();
        long started = TimeProvider.System.GetTimestamp();
        await UntilAsync(() => Task.FromResult(running.Received.Count == 1));
        TimeProvider.System.GetElapsedTime(started).ShouldBeLessThan(TimeSpan.FromSeconds(5), "one process alone need not wait for a dead one's claim of ten");
        for (int i = 1; i <= 5; i++)
        {
            await running.Store.InsertAsync([Record($"an_{i}")], [Command($"an_{i}")], null, default);
        }

        await UntilAsync(() => Task.FromResult(running.Received.Count == 6));
        running.Received.ShouldBe(["an_0", "an_1", "an_2", "an_3", "an_4", "an_5"], ignoreOrder: true);
        await UntilAsync(async () => await running.Outbox.CountAsync(default) == 0);

        await running.Dispatcher.StopAsync(default);
        await running.Store.InsertAsync([Record("an_6")], [Command("an_6")], null, default);
        (await running.Outbox.ClaimAsync(10, default)).ShouldHaveSingleItem("nobody here will send it, so nobody here may claim it");
    }

    [Fact]
    public async Task A_row_that_cannot_be_sent_is_tried_once_a_second_and_holds_up_nobody()
    {
        int kept = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "palimpsest.outbox.messages")
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => Interlocked.Add(ref kept, tags[0].Value is "kept" ? (int)value : 0));
        listener.Start();
        await using var running = await RunningAsync();
        var unknown = Command("an_bad") with { Type = "NoSuchMessage", Contract = null };
        for (int i = 0; i < 70; i++)
        {
            await running.Store.InsertAsync([], [unknown with { Id = Ids.Sortable(TimeProvider.System) }], null, default);
        }

        await running.Store.InsertAsync([Record("an_1")], [Command("an_1")], null, default);
        await UntilAsync(() => Task.FromResult(running.Received.Contains("an_1")));
        Interlocked.Exchange(ref kept, 0);
        await Task.Delay(TimeSpan.FromSeconds(3));
        kept.ShouldBeInRange(1, 6 * 64, "a batch for each look");
        (await running.Outbox.CountAsync(default)).ShouldBe(70);
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("amqp://localhost", 1)]
    public async Task An_event_is_kept_where_somebody_could_hear_it(string? broker, long rows)
    {
        var settings = new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder, RabbitMq = broker is null ? null : new Uri(broker) };
        using var events = new OutboxStore(database, settings, time);
        var ended = OutboxMessage.Event(time, "an_1", new AnalysisFailed { AnalysisId = "an_1", Tenant = "tenant-a", Code = ErrorCodes.ImageCorrupt, Detail = "Broken." });
        await new AnalysisStore(database, events, new LocalSignals()).InsertAsync([Record("an_1")], [ended], null, default);
        (await events.CountAsync(default)).ShouldBe(rows);
    }

    [Fact]
    public async Task A_failing_addition_takes_row_and_message_with_it()
    {
        await Should.ThrowAsync<InvalidOperationException>(() => store.InsertAsync([Record("an_1")], [Command("an_1")], _ => throw new InvalidOperationException("no"), default));
        (await store.LoadAsync("an_1", default)).ShouldBeNull();
        (await outbox.CountAsync(default)).ShouldBe(0);
    }

    [Fact]
    public async Task Saving_over_a_newer_version_is_refused_and_sends_nothing()
    {
        await store.InsertAsync([Record("an_1")], [], null, default);
        var seen = (await store.LoadAsync("an_1", default))!;
        (await store.TrySaveAsync(seen with { Status = AnalysisStatuses.Running }, [], null, default))!.Version.ShouldBe(2);
        (await store.TrySaveAsync(seen with { Status = AnalysisStatuses.Failed }, [Command("an_1")], null, default)).ShouldBeNull();
        (await store.LoadAsync("an_1", default))!.Status.ShouldBe(AnalysisStatuses.Running);
        (await outbox.CountAsync(default)).ShouldBe(0);
    }

    [Fact]
    public async Task Another_tenant_finds_nothing()
    {
        await store.InsertAsync([Record("an_1")], [], null, default);
        (await store.FindAsync("tenant-a", "an_1", default)).ShouldNotBeNull();
        (await store.FindAsync("tenant-b", "an_1", default)).ShouldBeNull();
    }

    /// <summary>A dispatcher at work on this database, and what arrives at the other end of an in-memory bus.</summary>
    private async Task<Running> RunningAsync()
    {
        var received = new ConcurrentQueue<string>();
        var state = new BusState();
        var bus = Bus.Factory.CreateUsingInMemory(c =>
        {
            c.ConnectBusObserver(state);
            c.ReceiveEndpoint(Queues.Preprocess, e => e.Handler<PreprocessImage>(context =>
            {
                received.Enqueue(context.Message.AnalysisId);
                return Task.CompletedTask;
            }));
        });
        await bus.StartAsync();
        var real = new OutboxStore(database, new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder }, TimeProvider.System);
        var dispatcher = new OutboxDispatcher(real, bus, TimeProvider.System, state, NullLogger<OutboxDispatcher>.Instance);
        await dispatcher.StartAsync(default);
        return new Running(bus, real, new AnalysisStore(database, real, new LocalSignals()), dispatcher, received);
    }

    private static async Task UntilAsync(Func<Task<bool>> met)
    {
        for (int i = 0; i < 500 && !await met(); i++)
        {
            await Task.Delay(20);
        }

        (await met()).ShouldBeTrue();
    }

    private AnalysisRecord Record(string id) => new()
    {
        Id = id,
        Tenant = "tenant-a",
        StageSince = time.GetUtcNow(),
        StageDue = time.GetUtcNow().AddMinutes(1),
        CreatedAt = time.GetUtcNow(),
        ExpiresAt = time.GetUtcNow().AddDays(30),
        Request = new AnalysisRequest { Upload = new BlobReference { Key = id + "/upload", Bytes = 3 }, Sha256 = "00", Format = "jpeg", Options = new AnalysisOptions() },
    };

    private OutboxMessage Command(string id) => OutboxMessage.Command(
        time, Queues.Preprocess, id, new PreprocessImage { AnalysisId = id, Upload = new BlobReference { Key = id + "/upload", Bytes = 3 }, Options = new AnalysisOptions() });

    private sealed record Running(IBusControl Bus, OutboxStore Outbox, AnalysisStore Store, OutboxDispatcher Dispatcher, ConcurrentQueue<string> Received) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Dispatcher.StopAsync(default);
            await Bus.StopAsync();
            Dispatcher.Dispose();
            Outbox.Dispose();
        }
    }
}
