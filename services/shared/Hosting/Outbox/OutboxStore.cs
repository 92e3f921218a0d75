using System.Data.Common;
using Dapper;

namespace Palimpsest.Hosting;

/// <summary>The outbox table. Only adding a row is a promise: a claim or removal that a power cut undoes costs a second sending.</summary>
public sealed class OutboxStore(PlatformDatabase database, PlatformSettings settings, TimeProvider time) : IDisposable
{
    /// <summary>How long one attempt to send may take.</summary>
    internal static readonly TimeSpan SendTimeout = TimeSpan.FromSeconds(8);

    /// <summary>
    /// How long a dispatcher may take before another one sends the row as well. It is also how long the rows of one that was killed lie idle: no
    /// longer than an attempt needs, since a message sent twice is harmless.
    /// </summary>
    private static readonly TimeSpan Claim = SendTimeout + TimeSpan.FromSeconds(2);

    /// <summary>No claim and no delay reaches this far: what does was written before the clock was set back, and waits no longer.</summary>
    private static readonly TimeSpan Absurd = TimeSpan.FromHours(1);

    private readonly SemaphoreSlim wake = new(0, 1);

    /// <summary>Adds rows within the caller's transaction. Call <see cref="Wake"/> after the commit.</summary>
    public async Task AddAsync(DbTransaction transaction, IReadOnlyCollection<OutboxMessage> messages, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        ArgumentNullException.ThrowIfNull(messages);
        // Events are for consumers that others attach to the broker; a bus within one process has only ours, which listen to none of them.
        var heard = settings.Embedded ? [.. messages.Where(m => m.Destination is not null)] : messages;
        if (heard.Count == 0)
        {
            return;
        }

        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var rows = heard.Select(m => new { m.Id, m.AnalysisId, m.Destination, m.Type, m.Body, m.Traceparent, now, notBefore = m.NotBefore?.ToUnixTimeMilliseconds() ?? 0 });
        await transaction.Connection!.ExecuteAsync(new CommandDefinition(
            "INSERT INTO outbox (id, analysis_id, destination, type, body, traceparent, created_at, claimed_until) VALUES (@Id, @AnalysisId, @Destination, @Type, @Body, @Traceparent, @now, @notBefore)",
            rows, transaction, cancellationToken: cancellationToken));
    }

    /// <summary>Tells the dispatcher of this process that something was committed.</summary>
    public void Wake()
    {
        try
        {
            wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    /// <inheritdoc/>
    public void Dispose() => wake.Dispose();

    /// <summary>Waits for <see cref="Wake"/>, or for the poll interval (rows of processes that died).</summary>
    internal Task WaitAsync(TimeSpan poll, CancellationToken cancellationToken) => wake.WaitAsync(poll, cancellationToken);

    /// <summary>Takes the oldest unclaimed rows for a while.</summary>
    internal async Task<IReadOnlyList<OutboxMessage>> ClaimAsync(int limit, CancellationToken cancellationToken)
    {
        long now = time.GetUtcNow().ToUnixTimeMilliseconds(), until = now + (long)Claim.TotalMilliseconds, absurd = now + (long)Absurd.TotalMilliseconds;
        string skip = database.IsPostgres ? "FOR UPDATE SKIP LOCKED" : "";
        string sql = $"""
            UPDATE outbox SET claimed_until = @until
            WHERE id IN (SELECT id FROM outbox WHERE claimed_until < @now OR claimed_until > @absurd ORDER BY id LIMIT @limit {skip})
            RETURNING id AS "Id", analysis_id AS "AnalysisId", destination AS "Destination", type AS "Type", body AS "Body", traceparent AS "Traceparent"
            """;
        var rows = await database.ExecuteReturningAsync<OutboxMessage>(sql, new { now, until, absurd, limit }, cancellationToken, promised: false);
        rows.Sort((a, b) => string.CompareOrdinal(a.Id, b.Id));
        return rows;
    }

    /// <summary>Removes rows the broker confirmed.</summary>
    internal Task RemoveAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"DELETE FROM outbox WHERE {database.IsOneOf("id", "ids")}", new { ids = Array(ids) }, cancellationToken, promised: false);

    /// <summary>Gives rows back for the next round.</summary>
    internal Task ReleaseAsync(IReadOnlyCollection<string> ids, TimeSpan after, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            $"UPDATE outbox SET claimed_until = @due WHERE {database.IsOneOf("id", "ids")}",
            new { ids = Array(ids), due = (time.GetUtcNow() + after).ToUnixTimeMilliseconds() }, cancellationToken, promised: false);

    /// <summary>Rows waiting; the intake refuses above a limit.</summary>
    public Task<long> CountAsync(CancellationToken cancellationToken) => database.QueryFirstAsync<long>("SELECT count(*) FROM outbox", null, cancellationToken);

    private static string[] Array(IReadOnlyCollection<string> ids) => [.. ids];
}
