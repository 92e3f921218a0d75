using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Palimpsest.Contracts;
using Palimpsest.Gateway;
using Palimpsest.Hosting;
using Palimpsest.Local.Servers;
using Palimpsest.Reporting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Hosting;

/// <summary>Which index serves which listing. A rare value among a tenant's millions of rows must not be looked for row by row.</summary>
internal static class Searches
{
    private static readonly (DateTimeOffset, string) Cursor = (DateTimeOffset.UnixEpoch.AddDays(1), "an_5");
    private static readonly string Hash = new('a', 64);

    /// <summary>What is asked for, the statement, and the index.</summary>
    public static IEnumerable<(string Question, string Sql, object Values, string Index)> All(PlatformDatabase database)
    {
        (AnalysisFilter Filter, string Index)[] analyses =
        [
            (new AnalysisFilter(), "analyses_tenant"),
            (new AnalysisFilter { Status = AnalysisStatuses.Queued }, "analyses_due"),
            (new AnalysisFilter { Status = AnalysisStatuses.Running, Verdict = Verdicts.Uncertain }, "analyses_due"),
            (new AnalysisFilter { Status = AnalysisStatuses.Succeeded }, "analyses_tenant"),
            (new AnalysisFilter { Status = AnalysisStatuses.Failed }, "analyses_unsuccessful"),
            (new AnalysisFilter { Status = AnalysisStatuses.Canceled, Verdict = Verdicts.LikelyFake }, "analyses_unsuccessful"),
            (new AnalysisFilter { Verdict = Verdicts.Uncertain }, "analyses_verdict"),
            (new AnalysisFilter { Verdict = Verdicts.Uncertain, Status = AnalysisStatuses.Succeeded }, "analyses_verdict"),
            (new AnalysisFilter { Sha256 = Hash }, "analyses_sha256"),
            (new AnalysisFilter { Sha256 = Hash, Verdict = Verdicts.Uncertain, Status = AnalysisStatuses.Failed }, "analyses_sha256"),
        ];
        (DeliveryFilter Filter, string Index)[] deliveries =
        [
            (new DeliveryFilter(null, null, null, 50, null), "webhook_deliveries_tenant"),
            (new DeliveryFilter(null, null, "failed", 50, null), "webhook_deliveries_undelivered"),
            (new DeliveryFilter("we_1", null, "failed", 50, null), "webhook_deliveries_undelivered"),
            (new DeliveryFilter("we_1", null, null, 50, null), "webhook_deliveries_endpoint"),
            (new DeliveryFilter("we_1", null, "delivered", 50, null), "webhook_deliveries_endpoint"),
            (new DeliveryFilter(null, "an_1", null, 50, null), "webhook_deliveries_analysis"),
            (new DeliveryFilter("we_1", "an_1", "failed", 50, null), "webhook_deliveries_analysis"),
        ];
        object Filter(AnalysisFilter f) => new { tenant = "acme", status = f.Status, verdict = f.Verdict, sha256 = f.Sha256, at = 86_400_000L, after = "an_5", limit = 50 };
        object Log(DeliveryFilter f) => new { tenant = "acme", f.EndpointId, f.AnalysisId, f.State, At = 86_400_000L, AfterId = "wd_5", limit = 50 };
        return
        [
            .. analyses.SelectMany(a => new[] { a, a with { Filter = a.Filter with { After = Cursor } } })
                .Select(a => (a.Filter.ToString(), $"SELECT * FROM analyses WHERE {AnalysisListing.Where(a.Filter)} ORDER BY created_at DESC, id DESC LIMIT @limit", Filter(a.Filter), a.Index)),
            .. deliveries.SelectMany(d => new[] { d, d with { Filter = d.Filter with { After = Cursor } } })
                .Select(d => (d.Filter.ToString(), $"SELECT * FROM webhook_deliveries WHERE {EndpointStore.Where(d.Filter)} ORDER BY created_at DESC, id DESC LIMIT @limit", Log(d.Filter), d.Index)),
            ("batches of a page", BatchEndpoints.Counts(database), new { tenant = "acme", ids = new[] { "ba_1", "ba_2", "ba_3" } }, "analyses_batch"),
            ("how much is pending", PendingGate.Pending, new { }, "analyses_due"),
            ("answers kept of an analysis", StoredAnswers.Find, new { tenant = "acme", location = "/v1/analyses/an_1" }, "idempotency_location"),
        ];
    }
}

public sealed class SearchPlanTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private PlatformDatabase database = null!;

    public async Task InitializeAsync()
    {
        database = new PlatformDatabase(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder });
        await new SchemaMigrator(database, TimeProvider.System, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Every_listing_has_its_index_in_sqlite()
    {
        // What a start goes on with is asked of SQLite alone: a broker keeps its messages.
        foreach (var (question, sql, values, index) in Searches.All(database).Append(("resume", StalledSweep.Unfinished, new { before = 86_400_000L }, "analyses_due")))
        {
            string plan = string.Join('\n', (await database.QueryAsync<Step>("EXPLAIN QUERY PLAN " + sql, values, default)).Select(s => s.Detail));
            plan.ShouldStartWith("SEARCH ", Case.Sensitive, question);
            plan.ShouldContain($"USING INDEX {index} ", Case.Sensitive, question);
            plan.Contains("FOR ORDER BY").ShouldBe(sql.Contains("ORDER BY") && index is "analyses_due" or "webhook_deliveries_analysis", question + ": only what is few is sorted");
        }
    }

    private sealed class Step
    {
        public string Detail { get; set; } = "";
    }
}

public sealed class SearchPlanPostgresTests : IAsyncLifetime
{
    private readonly TestFolder folder = new();
    private PostgresServer server = null!;
    private PlatformDatabase database = null!;

    public async Task InitializeAsync()
    {
        // Its own, whatever POSTGRES_URL says: nobody else shall wait for its schema.
        server = new PostgresServer(PostgresServer.Reachable(folder["postgres"]));
        await server.StartAsync(default);
        database = new PlatformDatabase(new PlatformSettings { ServiceName = "test", DataDirectory = folder.Path, ModelsDirectory = folder.Path, Postgres = server.Url });
    }

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        await server.DisposeAsync();
        folder.Dispose();
    }

    [Fact]
    public async Task A_schema_that_somebody_applies_for_longer_than_a_statement_may_take_is_waited_for_and_then_every_listing_has_its_index()
    {
        var log = new Warnings();
        Task migrating = Task.CompletedTask;
        await database.InTransactionAsync(
            async t =>
            {
                using var other = (NpgsqlCommand)t.Connection!.CreateCommand();
                other.CommandText = $"SELECT pg_advisory_xact_lock({SchemaMigrator.LockKey})";
                await other.ExecuteNonQueryAsync();
                migrating = new SchemaMigrator(database, TimeProvider.System, log).StartAsync(default);
                await Task.Delay(TimeSpan.FromSeconds(16.5));
                return 0;
            },
            default);
        await migrating;
        log.Written.ShouldBeEmpty();

        await FillAsync();
        // The log without a filter: a tenant with a seventh of all is as well served by the newest of all.
        foreach (var (question, sql, values, index) in Searches.All(database).Where(s => s.Index != "webhook_deliveries_tenant"))
        {
            string plan = string.Join('\n', await database.QueryAsync<string>("EXPLAIN " + sql, values, default));
            plan.ShouldContain($"{index} ", Case.Sensitive, question + "\n" + plan);
            plan.ShouldNotContain("Seq Scan", Case.Sensitive, question);
        }
    }

    [Fact]
    public async Task What_is_promised_waits_for_the_disk_and_nothing_else_does()
    {
        foreach (var (promised, waits) in new[] { (true, "on"), (false, "off") })
        {
            (await database.ExecuteReturningAsync<string>("SHOW synchronous_commit", null, default, promised)).ShouldBe([waits]);
            (await database.InTransactionAsync(
                async t =>
                {
                    using var show = (NpgsqlCommand)t.Connection!.CreateCommand();
                    show.CommandText = "SHOW synchronous_commit";
                    return (string)(await show.ExecuteScalarAsync())!;
                },
                default, promised)).ShouldBe(waits);
        }
    }

    /// <summary>A history of one tenant of several, as an average day leaves it: nearly everything succeeded and was delivered.</summary>
    private async Task FillAsync()
    {
        await database.ExecuteAsync(
            """
            INSERT INTO analyses (id, tenant, version, status, stage, stage_since, stage_attempts, stage_due, created_at, verdict, sha256, batch_id, batch_index, expires_at, request, findings)
            SELECT 'an_' || n, CASE n % 7 WHEN 0 THEN 'acme' ELSE 'globex' END, 5,
                CASE n % 400 WHEN 0 THEN 'failed' WHEN 1 THEN 'canceled' WHEN 2 THEN 'queued' WHEN 3 THEN 'running' ELSE 'succeeded' END, 'reporting', n, 0,
                CASE WHEN n % 400 IN (2, 3) THEN n END, n, CASE WHEN n % 400 > 3 THEN CASE n % 9 WHEN 0 THEN 'uncertain' WHEN 1 THEN 'likely_fake' ELSE 'likely_real' END END,
                md5(n::text) || md5(n::text), CASE n % 5 WHEN 0 THEN 'ba_' || (n / 50) END, n, n, '{}', '{}'
            FROM generate_series(1, 20000) n
            """,
            null, default);
        await database.ExecuteAsync(
            """
            INSERT INTO webhook_deliveries (id, tenant, endpoint_id, analysis_id, url, target, event, body, state, attempts, created_at)
            SELECT 'wd_' || n, CASE n % 7 WHEN 0 THEN 'acme' ELSE 'globex' END, CASE WHEN n % 10 < 9 THEN 'we_' || (n % 20) END, 'an_' || n, 'https://example.com', 'we', 'analysis.completed', '{}',
                CASE n % 400 WHEN 0 THEN 'failed' WHEN 1 THEN 'pending' ELSE 'delivered' END, 1, n
            FROM generate_series(1, 20000) n
            """,
            null, default);
        await database.ExecuteAsync(
            """
            INSERT INTO idempotency (tenant, key, request_hash, status, location, body, created_at, expires_at)
            SELECT CASE n % 7 WHEN 0 THEN 'acme' ELSE 'globex' END, n::text, 'h', 202, '/v1/analyses/an_' || n, '{}', n, n FROM generate_series(1, 20000) n
            """,
            null, default);
        await database.ExecuteAsync("ANALYZE analyses, webhook_deliveries, idempotency", null, default);
    }

    private sealed class Warnings : ILogger<SchemaMigrator>
    {
        public List<string> Written { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                Written.Add(formatter(state, exception));
            }
        }
    }
}
