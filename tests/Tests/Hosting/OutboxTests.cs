using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

/// <summary>The outbox over a real SQLite file.</summary>
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
}
