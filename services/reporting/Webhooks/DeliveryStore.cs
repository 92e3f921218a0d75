using System.Data.Common;
using System.Text.Json;
using Dapper;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>The schedule and log of deliveries.</summary>
internal sealed class DeliveryStore(PlatformDatabase database, TimeProvider time)
{
    private const int HistoryKept = 20;
    private const long ClaimLock = 0x5745_4248; // "WEBH", any constant will do

    // The receivers that something is pending for, each found by one step in the index: what one claim costs does not depend on how much waits.
    private const string Targets = """
        WITH RECURSIVE targets (target) AS (
            SELECT min(target) FROM webhook_deliveries WHERE state = 'pending'
            UNION ALL
            SELECT (SELECT min(d.target) FROM webhook_deliveries d WHERE d.state = 'pending' AND d.target > t.target) FROM targets t WHERE t.target IS NOT NULL),
        claimed (tenant, target) AS MATERIALIZED (SELECT tenant, target FROM webhook_deliveries WHERE state = 'pending' AND claimed_until >= @now)
        """;

    private const string Oldest = """
        SELECT o.id, o.tenant, o.target, o.due_at FROM webhook_deliveries o
        WHERE o.target = t.target AND o.state = 'pending' AND o.due_at <= @now AND o.claimed_until < @now ORDER BY o.due_at, o.id LIMIT @perTarget
        """;

    // The oldest due rows of each target, as many as its limit leaves room for: a receiver with ten thousand waiting does not stand before the others. Of these as many as the tenant's limit
    // leaves room for: neither does a tenant with a hundred receivers that hang. Whoever has least on its way comes first, however old what the others have waiting: what hangs is always older.
    // And a tenant's second and further rows leave half as many places free as it has then: the next tenant need not wait until somebody's receivers time out. SQLite has no LATERAL.
    private string Claimable => $"""
        {Targets}
        SELECT id FROM (
            SELECT id, share, ROW_NUMBER() OVER (ORDER BY share, due_at, id) AS turn
            FROM (
                SELECT id, due_at, ROW_NUMBER() OVER (PARTITION BY p.tenant ORDER BY place, due_at, id) + COALESCE(c.busy, 0) AS share
                FROM (
                    SELECT d.id, d.tenant, d.due_at, ROW_NUMBER() OVER (PARTITION BY d.target ORDER BY d.due_at, d.id) + COALESCE(b.busy, 0) AS place
                    FROM (SELECT target FROM targets WHERE target IS NOT NULL) t {(database.IsPostgres ? $"CROSS JOIN LATERAL ({Oldest}) d" : $"JOIN webhook_deliveries d ON d.id IN (SELECT id FROM ({Oldest}))")}
                    LEFT JOIN (SELECT target, count(*) AS busy FROM claimed GROUP BY target) b ON b.target = d.target) p
                LEFT JOIN (SELECT tenant, count(*) AS busy FROM claimed GROUP BY tenant) c ON c.tenant = p.tenant
                WHERE place <= @perTarget) s
            WHERE share <= @perTenant) q
        WHERE turn <= @limit AND (share = 1 OR share <= 2 * (@limit - turn)) ORDER BY turn
        """;

    // To where the endpoint is now, not where it was when this was scheduled.
    private const string Claimed = """
        SELECT d.id AS "Id", d.tenant AS "Tenant", d.endpoint_id AS "EndpointId", d.analysis_id AS "AnalysisId", COALESCE(e.url, d.url) AS "Url", d.target AS "Target", d.event AS "Event",
               d.body AS "Body", d.traceparent AS "Traceparent", d.attempts AS "Attempts", d.history AS "History", t.webhook_secret AS "TenantSecret", e.secret AS "Secret",
               e.previous_secret AS "PreviousSecret", e.previous_until AS "PreviousUntil", e.disabled_at AS "DisabledAt", e.failing_since AS "FailingSince"
        FROM webhook_deliveries d LEFT JOIN tenants t ON t.id = d.tenant LEFT JOIN webhook_endpoints e ON e.id = d.endpoint_id
        WHERE d.id = @id
        """;

    /// <summary>Takes due deliveries for a while, at most so many for each target and each tenant over all processes.</summary>
    public Task<IReadOnlyList<Delivery>> ClaimAsync(int limit, int perTarget, int perTenant, TimeSpan claim, CancellationToken cancellationToken)
    {
        long now = Milliseconds(time.GetUtcNow()), until = Milliseconds(time.GetUtcNow() + claim);
        return database.InTransactionAsync<IReadOnlyList<Delivery>>(
            async t =>
            {
                var connection = t.Connection!;
                if (database.IsPostgres)
                {
                    // The limit holds over all processes only if they count one after the other. SQLite has one writer anyway.
                    await connection.ExecuteAsync(new CommandDefinition("SELECT pg_advisory_xact_lock(@ClaimLock)", new { ClaimLock }, t, cancellationToken: cancellationToken));
                }

                var ids = (await connection.QueryAsync<string>(new CommandDefinition(Claimable, new { now, perTarget, perTenant, limit }, t, cancellationToken: cancellationToken))).AsList();
                var rows = new List<Delivery>(ids.Count);
                foreach (string id in ids)
                {
                    await connection.ExecuteAsync(new CommandDefinition("UPDATE webhook_deliveries SET claimed_until = @until WHERE id = @id", new { id, until }, t, cancellationToken: cancellationToken));
                    rows.Add(await connection.QuerySingleAsync<Delivery>(new CommandDefinition(Claimed, new { id }, t, cancellationToken: cancellationToken)));
                }

                return rows;
            },
            cancellationToken);
    }

    /// <summary>True when a claim would find something. Spares the schedule's writer lock while nothing is due.</summary>
    public async Task<bool> AnyDueAsync(CancellationToken cancellationToken)
    {
        const string Sql = "SELECT CASE WHEN EXISTS (SELECT 1 FROM webhook_deliveries WHERE state = 'pending' AND due_at <= @now AND claimed_until < @now) THEN 1 ELSE 0 END";
        return await database.QueryFirstAsync<long>(Sql, new { now = Milliseconds(time.GetUtcNow()) }, cancellationToken) == 1;
    }

    /// <summary>Writes down what came of an attempt.</summary>
    /// <param name="delivery">As claimed.</param>
    /// <param name="outcome">What came of it.</param>
    /// <param name="attempt">For the history.</param>
    /// <param name="next">When to try again; null: not again.</param>
    /// <param name="disabled">Why the endpoint is disabled with it; null: it is not.</param>
    /// <param name="cancellationToken">Stops.</param>
    public Task<int> CompleteAsync(Delivery delivery, AttemptOutcome outcome, WebhookAttemptDocument attempt, DateTimeOffset? next, string? disabled, CancellationToken cancellationToken)
    {
        bool delivered = outcome.Kind == AttemptOutcome.Delivered;
        var now = time.GetUtcNow();
        var history = (JsonSerializer.Deserialize<List<WebhookAttemptDocument>>(delivery.History, PlatformJson.Options) ?? []).Append(attempt).TakeLast(HistoryKept);
        var values = new
        {
            delivery.Id, delivery.EndpointId, delivery.Target, delivery.Url, Now = Milliseconds(now), Due = next is { } at ? Milliseconds(at) : (long?)null, outcome.Status, outcome.Error, Disabled = disabled,
            State = delivered ? "delivered" : next is null ? "failed" : "pending",
            History = JsonSerializer.Serialize(history, PlatformJson.Options),
            DeliveredAt = delivered ? Milliseconds(now) : (long?)null,
            HoldUntil = HoldUntil(now, outcome),
        };
        return database.InTransactionAsync(
            async t =>
            {
                // What was ended while it was on its way (erased, endpoint disabled or removed) can still be found delivered, but is not tried again.
                await ExecuteAsync(t, """
                    UPDATE webhook_deliveries SET attempts = attempts + 1, claimed_until = 0, url = @Url, last_status = @Status, history = @History,
                        state = CASE WHEN state = 'pending' OR @State = 'delivered' THEN @State ELSE state END,
                        due_at = CASE WHEN state = 'pending' THEN @Due END,
                        delivered_at = COALESCE(@DeliveredAt, delivered_at),
                        last_error = CASE WHEN state = 'pending' OR @State = 'delivered' THEN @Error ELSE last_error END
                    WHERE id = @Id
                    """, values, cancellationToken);
                if (outcome.Throttle)
                {
                    // Not what is on its way: that gets an answer of its own, and two that write each other's rows would wait for each other.
                    await ExecuteAsync(
                        t, "UPDATE webhook_deliveries SET due_at = @HoldUntil WHERE target = @Target AND state = 'pending' AND due_at < @HoldUntil AND claimed_until < @Now AND id <> @Id", values, cancellationToken);
                }

                if (delivery.EndpointId is not null && (delivered || outcome.Kind is AttemptOutcome.Retry or AttemptOutcome.Gone))
                {
                    await ExecuteAsync(
                        t, delivered ? "UPDATE webhook_endpoints SET failing_since = NULL WHERE id = @EndpointId AND failing_since IS NOT NULL" : "UPDATE webhook_endpoints SET failing_since = COALESCE(failing_since, @Now) WHERE id = @EndpointId",
                        values, cancellationToken);
                }

                if (disabled is not null)
                {
                    await ExecuteAsync(t, "UPDATE webhook_endpoints SET disabled_at = @Now, disabled_reason = @Disabled WHERE id = @EndpointId AND disabled_at IS NULL", values, cancellationToken);
                    await ExecuteAsync(t, "UPDATE webhook_deliveries SET state = 'failed', due_at = NULL, last_error = 'The endpoint was disabled.' WHERE endpoint_id = @EndpointId AND state = 'pending'", values, cancellationToken);
                }

                return 1;
            },
            cancellationToken);
    }

    /// <summary>Gives a delivery back untried: the process stops.</summary>
    public Task<int> ReleaseAsync(string id, CancellationToken cancellationToken) =>
        database.ExecuteAsync("UPDATE webhook_deliveries SET claimed_until = 0 WHERE id = @id AND state = 'pending'", new { id }, cancellationToken);

    /// <summary>How many are due, and since when the oldest.</summary>
    public async Task<(long Due, DateTimeOffset? Oldest)> BacklogAsync(CancellationToken cancellationToken)
    {
        var row = await database.QueryFirstAsync<BacklogRow>(
            """SELECT count(*) AS "Due", min(due_at) AS "Oldest" FROM webhook_deliveries WHERE state = 'pending' AND due_at <= @now""", new { now = Milliseconds(time.GetUtcNow()) }, cancellationToken);
        return (row?.Due ?? 0, row?.Oldest is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null);
    }

    /// <summary>Removes finished deliveries older than the log keeps.</summary>
    public Task<int> PruneAsync(TimeSpan kept, CancellationToken cancellationToken) =>
        database.ExecuteAsync("DELETE FROM webhook_deliveries WHERE state <> 'pending' AND created_at < @before", new { before = Milliseconds(time.GetUtcNow() - kept) }, cancellationToken);

    /// <summary>Erasure on a client's request: nothing more is sent about the analysis and the log keeps no copy of its report.</summary>
    public Task<int> EraseAsync(string analysisId, CancellationToken cancellationToken) => database.ExecuteAsync(
        "UPDATE webhook_deliveries SET body = '', state = CASE state WHEN 'pending' THEN 'failed' ELSE state END, due_at = NULL, last_error = COALESCE(last_error, 'The analysis was erased.') WHERE analysis_id = @analysisId",
        new { analysisId }, cancellationToken);

    /// <summary>Erasure when its time is over: the log keeps no copy of the report. What is still to be sent is kept until then.</summary>
    public Task<int> ForgetAsync(string analysisId, CancellationToken cancellationToken) =>
        database.ExecuteAsync("UPDATE webhook_deliveries SET body = '' WHERE analysis_id = @analysisId AND state <> 'pending'", new { analysisId }, cancellationToken);

    /// <summary>
    /// Until when a target rests: as long as it asked, and on to the next full ten seconds (minute, for a long rest). So those that are answered one after the other hold until the same moment,
    /// and only the first of them writes to everything that waits.
    /// </summary>
    private static long HoldUntil(DateTimeOffset now, AttemptOutcome outcome)
    {
        var asked = outcome.RetryAfter ?? TimeSpan.FromSeconds(30);
        asked = asked < TimeSpan.FromHours(1) ? asked : TimeSpan.FromHours(1);
        long step = asked < TimeSpan.FromMinutes(5) ? 10_000 : 60_000;
        return (Milliseconds(now + asked) + step - 1) / step * step;
    }

    private static Task<int> ExecuteAsync(DbTransaction transaction, string sql, object values, CancellationToken cancellationToken) =>
        transaction.Connection!.ExecuteAsync(new CommandDefinition(sql, values, transaction, cancellationToken: cancellationToken));

    private static long Milliseconds(DateTimeOffset at) => at.ToUnixTimeMilliseconds();

    private sealed class BacklogRow
    {
        public long Due { get; set; }

        public long? Oldest { get; set; }
    }
}
