using Dapper;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>Tenants' webhook endpoints and their view of the delivery log. Every look-up is by (tenant, id).</summary>
internal sealed class EndpointStore(PlatformDatabase database, TimeProvider time)
{
    private const string Columns = """
        id AS "Id", url AS "Url", description AS "Description", events AS "Events", previous_until AS "PreviousUntil", created_at AS "CreatedAt",
        failing_since AS "FailingSince", disabled_at AS "DisabledAt", disabled_reason AS "DisabledReason"
        """;

    private const string DeliveryColumns = """
        id AS "Id", endpoint_id AS "EndpointId", analysis_id AS "AnalysisId", batch_id AS "BatchId", url AS "Url", event AS "Event", body AS "Body", state AS "State",
        attempts AS "Attempts", due_at AS "DueAt", created_at AS "CreatedAt", delivered_at AS "DeliveredAt", last_status AS "LastStatus", last_error AS "LastError", history AS "History"
        """;

    public async Task<IReadOnlyList<WebhookEndpointDocument>> ListAsync(string tenant, CancellationToken cancellationToken) =>
        [.. (await database.QueryAsync<EndpointRow>($"SELECT {Columns} FROM webhook_endpoints WHERE tenant = @tenant ORDER BY created_at, id", new { tenant }, cancellationToken)).Select(Show)];

    public async Task<WebhookEndpointDocument?> FindAsync(string tenant, string id, CancellationToken cancellationToken) =>
        await database.QueryFirstAsync<EndpointRow>($"SELECT {Columns} FROM webhook_endpoints WHERE tenant = @tenant AND id = @id", new { tenant, id }, cancellationToken) is { } row ? Show(row) : null;

    /// <summary>Adds an endpoint.</summary>
    /// <returns>Null: the tenant has <paramref name="limit"/> already.</returns>
    public async Task<WebhookEndpointDocument?> AddAsync(string tenant, string url, string? description, IReadOnlyList<string> events, int limit, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        var (id, secret) = (Ids.Endpoint(time), WebhookSignature.CreateSecret());
        int added = await database.ExecuteAsync(
            """
            INSERT INTO webhook_endpoints (id, tenant, url, description, events, secret, created_at)
            SELECT @id, @tenant, @url, @description, @events, @secret, @now WHERE (SELECT count(*) FROM webhook_endpoints WHERE tenant = @tenant) < @limit
            """,
            new { id, tenant, url, description, events = string.Join(' ', events), secret, now = now.ToUnixTimeMilliseconds(), limit }, cancellationToken);
        return added == 0 ? null : (await FindAsync(tenant, id, cancellationToken))! with { Secret = secret };
    }

    /// <summary>Changes what is not null. Enabling forgets past failures; disabling ends what is pending.</summary>
    public async Task<bool> ChangeAsync(string tenant, string id, EndpointChange change, CancellationToken cancellationToken)
    {
        var values = new
        {
            tenant, id, change.Url, change.Description, Events = change.Events is null ? null : string.Join(' ', change.Events), Enabled = change.Enabled switch { true => 1, false => 0, null => -1 },
            now = time.GetUtcNow().ToUnixTimeMilliseconds(),
        };
        return await database.InTransactionAsync(
            async t =>
            {
                int touched = await t.Connection!.ExecuteAsync(new CommandDefinition(
                    """
                    UPDATE webhook_endpoints SET url = COALESCE(@Url, url), description = COALESCE(@Description, description), events = COALESCE(@Events, events),
                        failing_since = CASE @Enabled WHEN 1 THEN NULL ELSE failing_since END,
                        disabled_reason = CASE @Enabled WHEN 1 THEN NULL WHEN 0 THEN 'Disabled on request.' ELSE disabled_reason END,
                        disabled_at = CASE @Enabled WHEN 1 THEN NULL WHEN 0 THEN @now ELSE disabled_at END
                    WHERE tenant = @tenant AND id = @id
                    """,
                    values, t, cancellationToken: cancellationToken));
                if (touched > 0 && change.Enabled == false)
                {
                    await EndPendingAsync(t, id, "The endpoint was disabled.", cancellationToken);
                }

                return touched > 0;
            },
            cancellationToken);
    }

    public Task<bool> RemoveAsync(string tenant, string id, CancellationToken cancellationToken) => database.InTransactionAsync(
        async t =>
        {
            int removed = await t.Connection!.ExecuteAsync(new CommandDefinition("DELETE FROM webhook_endpoints WHERE tenant = @tenant AND id = @id", new { tenant, id }, t, cancellationToken: cancellationToken));
            if (removed > 0)
            {
                await EndPendingAsync(t, id, "The endpoint was deleted.", cancellationToken);
            }

            return removed > 0;
        },
        cancellationToken);

    /// <summary>A new secret; the old one signs beside it until <paramref name="overlap"/> has passed.</summary>
    public async Task<WebhookEndpointDocument?> RotateAsync(string tenant, string id, TimeSpan overlap, CancellationToken cancellationToken)
    {
        string secret = WebhookSignature.CreateSecret();
        long until = (time.GetUtcNow() + overlap).ToUnixTimeMilliseconds();
        int touched = await database.ExecuteAsync(
            "UPDATE webhook_endpoints SET previous_secret = secret, previous_until = @until, secret = @secret WHERE tenant = @tenant AND id = @id", new { tenant, id, secret, until }, cancellationToken);
        return touched == 0 ? null : (await FindAsync(tenant, id, cancellationToken))! with { Secret = secret };
    }

    /// <summary>Schedules a test event; its id.</summary>
    public async Task<string> AddTestAsync(string tenant, WebhookEndpointDocument endpoint, string? traceparent, CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        string id = Ids.Delivery(time);
        await database.ExecuteAsync(
            """
            INSERT INTO webhook_deliveries (id, tenant, endpoint_id, url, target, event, body, traceparent, state, attempts, due_at, created_at)
            VALUES (@id, @tenant, @EndpointId, @Url, @EndpointId, @Event, @Body, @traceparent, 'pending', 0, @Now, @Now)
            """,
            new { id, tenant, EndpointId = endpoint.Id, endpoint.Url, Event = WebhookEvents.Test, Body = WebhookBody.ForTest(endpoint.Id, now), traceparent, Now = now.ToUnixTimeMilliseconds() }, cancellationToken);
        return id;
    }

    public async Task<IReadOnlyList<WebhookDeliveryDocument>> DeliveriesAsync(string tenant, DeliveryFilter filter, CancellationToken cancellationToken)
    {
        var rows = await database.QueryAsync<DeliveryRow>(
            $"SELECT {DeliveryColumns} FROM webhook_deliveries WHERE {Where(filter)} ORDER BY created_at DESC, id DESC LIMIT @Limit",
            new { tenant, filter.EndpointId, filter.AnalysisId, filter.State, filter.Limit, At = filter.After?.CreatedAt.ToUnixTimeMilliseconds() ?? 0, AfterId = filter.After?.Id }, cancellationToken);
        return [.. rows.Select(r => r.Show(withBody: false))];
    }

    /// <summary>Which deliveries a listing shows. One condition is left to an index, as in <c>AnalysisListing</c>: deliveries of one analysis are few, those not delivered should be.</summary>
    internal static string Where(DeliveryFilter filter)
    {
        bool analysis = filter.AnalysisId is not null, undelivered = filter is { AnalysisId: null, State: "pending" or "failed" };
        string tenant = analysis ? PlatformDatabase.Unindexed("tenant") : "tenant", endpoint = undelivered ? PlatformDatabase.Unindexed("endpoint_id") : "endpoint_id";
        return $"{tenant} = @tenant" + (analysis ? " AND analysis_id = @AnalysisId" : "") + (filter.EndpointId is null ? "" : $" AND {endpoint} = @EndpointId")
            + (filter.State is null ? "" : " AND state = @State") + (undelivered ? " AND state <> 'delivered'" : "") + (filter.After is null ? "" : " AND (created_at, id) < (@At, @AfterId)");
    }

    public async Task<WebhookDeliveryDocument?> DeliveryAsync(string tenant, string id, CancellationToken cancellationToken) =>
        (await database.QueryFirstAsync<DeliveryRow>($"SELECT {DeliveryColumns} FROM webhook_deliveries WHERE tenant = @tenant AND id = @id", new { tenant, id }, cancellationToken))?.Show(withBody: true);

    /// <summary>Starts a delivery's schedule over, under the same id and body.</summary>
    public Task<int> RedeliverAsync(string tenant, string id, CancellationToken cancellationToken) => database.ExecuteAsync(
        "UPDATE webhook_deliveries SET state = 'pending', attempts = 0, due_at = @now, delivered_at = NULL WHERE tenant = @tenant AND id = @id AND body <> ''",
        new { tenant, id, now = time.GetUtcNow().ToUnixTimeMilliseconds() }, cancellationToken);

    private static Task<int> EndPendingAsync(System.Data.Common.DbTransaction transaction, string endpointId, string reason, CancellationToken cancellationToken) =>
        transaction.Connection!.ExecuteAsync(new CommandDefinition(
            "UPDATE webhook_deliveries SET state = 'failed', due_at = NULL, last_error = @reason WHERE endpoint_id = @endpointId AND state = 'pending'", new { endpointId, reason }, transaction, cancellationToken: cancellationToken));

    private WebhookEndpointDocument Show(EndpointRow row) => row.Show(time.GetUtcNow());
}

/// <summary>A change of an endpoint; null leaves as it is.</summary>
internal sealed record EndpointChange(string? Url, string? Description, IReadOnlyList<string>? Events, bool? Enabled);

/// <summary>Filters of the delivery log; null means any.</summary>
internal sealed record DeliveryFilter(string? EndpointId, string? AnalysisId, string? State, int Limit, (DateTimeOffset CreatedAt, string Id)? After);
