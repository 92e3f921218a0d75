using System.Buffers.Binary;
using System.Data.Common;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary><see cref="IWebhookScheduler"/>: rows of <c>webhook_deliveries</c>, and the bell that wakes this process' sender.</summary>
public sealed class WebhookSchedule(TimeProvider time) : IWebhookScheduler, IDisposable
{
    private const string Insert = """
        INSERT INTO webhook_deliveries (id, tenant, endpoint_id, analysis_id, batch_id, url, target, event, body, traceparent, state, attempts, due_at, created_at)
        VALUES (@Id, @Tenant, @EndpointId, @AnalysisId, @BatchId, @Url, @Target, @Event, @Body, @Traceparent, 'pending', 0, @Now, @Now)
        ON CONFLICT DO NOTHING
        """;

    /// <summary>Receivers that the callback URLs of one tenant count as, at most.</summary>
    internal const int CallbackPlaces = 64;

    private readonly Bell bell = new();

    /// <inheritdoc/>
    public Task<bool> ScheduleAsync(DbTransaction transaction, AnalysisRecord record, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(record);
        string? type = record.Status switch
        {
            AnalysisStatuses.Succeeded => WebhookEvents.AnalysisCompleted,
            AnalysisStatuses.Failed => WebhookEvents.AnalysisFailed,
            _ => null,
        };
        var about = new Subject(record.Tenant, record.Id, null, record.Request.CallbackUrl, record.Request.Traceparent);
        return type is null ? Task.FromResult(false) : AddAsync(transaction, type, about, now => WebhookBody.For(record, type, now), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<bool> ScheduleBatchAsync(DbTransaction transaction, FinishedBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        var about = new Subject(batch.Tenant, null, batch.Id, batch.CallbackUrl, batch.Traceparent);
        return AddAsync(transaction, WebhookEvents.BatchCompleted, about, now => WebhookBody.For(batch, now), cancellationToken);
    }

    /// <inheritdoc/>
    public void Wake() => bell.Ring();

    /// <summary>Waits for <see cref="Wake"/>, at most so long (rows of other processes ring no bell here).</summary>
    public Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken) => bell.WaitAsync(atMost, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => bell.Dispose();

    private async Task<bool> AddAsync(DbTransaction transaction, string type, Subject about, Func<DateTimeOffset, string> body, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        var connection = transaction.Connection!;
        var endpoints = (await connection.QueryAsync<Target>(new CommandDefinition(
            """SELECT id AS "Id", url AS "Url", events AS "Events" FROM webhook_endpoints WHERE tenant = @Tenant AND disabled_at IS NULL""",
            new { about.Tenant }, transaction, cancellationToken: cancellationToken))).Where(e => e.Takes(type)).ToList();
        if (about.CallbackUrl is { } callback)
        {
            endpoints.Add(new Target { Url = callback });
        }

        if (endpoints.Count == 0)
        {
            return false;
        }

        var now = time.GetUtcNow();
        string text = body(now);
        // The span that decided it, so that the webhook hangs where it belongs in the trace; the submission's when nobody traces here.
        string? trace = PlatformTelemetry.RecordedTraceparent ?? about.Traceparent;
        await connection.ExecuteAsync(new CommandDefinition(
            Insert,
            endpoints.Select(e => new
            {
                Id = Ids.Delivery(time), about.Tenant, EndpointId = e.Id, about.AnalysisId, about.BatchId, e.Url, Target = e.Id ?? CallbackTarget(about.Tenant, e.Url),
                Event = type, Body = text, Traceparent = trace, Now = now.ToUnixTimeMilliseconds(),
            }),
            transaction, cancellationToken: cancellationToken));
        return true;
    }

    /// <summary>
    /// The receiver that a callback URL counts as. All of a tenant on one host are one; other tenants' troubles with the host are not this one's. The hosts share a fixed number of places, since
    /// a claim looks at every receiver that something waits for and a client can make up hosts without end: two of few hosts seldom meet in a place, and then only rest together.
    /// </summary>
    internal static string CallbackTarget(string tenant, string url)
    {
        byte[] host = Encoding.UTF8.GetBytes(Uri.TryCreate(url, UriKind.Absolute, out var uri) ? uri.Authority : url);
        return $"{tenant} {BinaryPrimitives.ReadUInt32BigEndian(SHA256.HashData(host)) % CallbackPlaces}";
    }

    private sealed record Subject(string Tenant, string? AnalysisId, string? BatchId, string? CallbackUrl, string? Traceparent);

    private sealed class Target
    {
        public string? Id { get; set; }

        public string Url { get; set; } = "";

        public string Events { get; set; } = "";

        public bool Takes(string type) => Events.Length == 0 || Events.Split(' ').Contains(type);
    }
}
