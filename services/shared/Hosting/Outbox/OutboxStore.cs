using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using Dapper;

namespace Palimpsest.Hosting;

/// <summary>
/// The outbox table. Only adding a row is a promise: a claim or removal that a power cut undoes costs a second sending. While this process sends, what it adds is claimed as it is written and
/// kept at hand: the table is read once a second, for what a process that died has left.
/// </summary>
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

    /// <summary>More than this at hand is more than is sent in a moment: the rest waits in the table alone.</summary>
    private const int MostAtHand = 512;

    private const string Columns = "id, analysis_id, destination, type, body, traceparent, created_at, claimed_until";
    private static readonly string[] Names = ["Id", "AnalysisId", "Destination", "Type", "Body", "Traceparent", "CreatedAt", "ClaimedUntil"];

    private readonly Bell bell = new();
    private readonly ConcurrentQueue<OutboxRow> atHand = new();
    private volatile bool sending;
    private int unclaimed;

    /// <summary>The rows that messages become. Write them with <see cref="AddAsync"/> or <see cref="InsertFrom"/>, and call <see cref="Committed"/> after the commit.</summary>
    internal IReadOnlyList<OutboxRow> Rows(IReadOnlyCollection<OutboxMessage> messages)
    {
        ArgumentNullException.ThrowIfNull(messages);
        // Events are for consumers that others attach to the broker; a bus within one process has only ours, which listen to none of them.
        var heard = settings.Embedded ? [.. messages.Where(m => m.Destination is not null)] : messages;
        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        bool ours = sending && atHand.Count + heard.Count <= MostAtHand;
        return [.. heard.Select(m => new OutboxRow(m, now, m.NotBefore?.ToUnixTimeMilliseconds() ?? (ours ? now + (long)Claim.TotalMilliseconds : 0), ours && m.NotBefore is null))];
    }

    /// <summary>Adds rows within the caller's transaction.</summary>
    internal static async Task AddAsync(DbTransaction transaction, IReadOnlyCollection<OutboxRow> rows, CancellationToken cancellationToken)
    {
        if (rows.Count > 0)
        {
            await transaction.Connection!.ExecuteAsync(
                new CommandDefinition($"INSERT INTO outbox ({Columns}) VALUES ({Values("")})", rows.Select(r => Describe(new DynamicParameters(), r, "")), transaction, cancellationToken: cancellationToken));
        }
    }

    /// <summary>SQL that adds so many rows if <paramref name="source"/> has a row: PostgreSQL takes it in one statement with what makes that row. <see cref="Describe(DynamicParameters, IReadOnlyList{OutboxRow})"/> gives its parameters.</summary>
    internal static string InsertFrom(string source, int count) =>
        $"INSERT INTO outbox ({Columns}) SELECT m.* FROM {source}, (VALUES {string.Join(", ", Enumerable.Range(0, count).Select(i => $"({Values($"{i}")})"))}) m";

    /// <summary>The parameters of <see cref="InsertFrom"/>.</summary>
    internal static DynamicParameters Describe(DynamicParameters parameters, IReadOnlyList<OutboxRow> rows) =>
        rows.Select((row, i) => (row, i)).Aggregate(parameters, (all, next) => Describe(all, next.row, $"{next.i}"));

    /// <summary>Tells the dispatcher of this process that rows were committed.</summary>
    internal void Committed(IReadOnlyCollection<OutboxRow> rows)
    {
        if (rows.Count == 0)
        {
            return;
        }

        foreach (var row in rows)
        {
            if (row.Ours)
            {
                atHand.Enqueue(row);
            }
            else
            {
                Volatile.Write(ref unclaimed, 1);
            }
        }

        bell.Ring();
    }

    /// <inheritdoc/>
    public void Dispose() => bell.Dispose();

    /// <summary>From now on what is added is claimed for this process and handed over by <see cref="TakeAtHand"/>; or no longer.</summary>
    internal void Send(bool here) => sending = here;

    /// <summary>Rows of this process, claimed and committed, in the order of their commits. Those whose claim has run out are free again and left to whoever finds them in the table.</summary>
    internal IReadOnlyList<OutboxMessage> TakeAtHand(int limit)
    {
        var taken = new List<OutboxMessage>();
        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        while (taken.Count < limit && atHand.TryDequeue(out var row))
        {
            if (row.ClaimedUntil > now)
            {
                taken.Add(row.Message);
            }
        }

        return taken;
    }

    /// <summary>True once after rows were committed that nobody has claimed.</summary>
    internal bool TakeUnclaimed() => Interlocked.Exchange(ref unclaimed, 0) != 0;

    /// <summary>Waits for <see cref="Committed"/>, or for the poll interval (rows of processes that died).</summary>
    internal Task WaitAsync(TimeSpan poll, CancellationToken cancellationToken) => bell.WaitAsync(poll, cancellationToken);

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

    /// <summary>In a platform of one process, whoever holds a claim as it starts is dead: its rows are free at once, and those to be sent later keep their time unless it is near.</summary>
    internal Task TakeOverAsync(CancellationToken cancellationToken) => settings.Embedded
        ? database.ExecuteAsync("UPDATE outbox SET claimed_until = 0 WHERE claimed_until > 0 AND claimed_until <= @until", new { until = (time.GetUtcNow() + Claim).ToUnixTimeMilliseconds() }, cancellationToken, promised: false)
        : Task.CompletedTask;

    /// <summary>Removes rows the broker confirmed.</summary>
    internal Task RemoveAsync(IReadOnlyCollection<string> ids, CancellationToken cancellationToken) =>
        database.ExecuteAsync($"DELETE FROM outbox WHERE {database.IsOneOf("id", "ids")}", new { ids = Array(ids) }, cancellationToken, promised: false);

    /// <summary>Gives rows back for the next round.</summary>
    internal Task ReleaseAsync(IReadOnlyCollection<string> ids, TimeSpan after, CancellationToken cancellationToken) =>
        database.ExecuteAsync(
            $"UPDATE outbox SET claimed_until = @due WHERE {database.IsOneOf("id", "ids")}",
            new { ids = Array(ids), due = (time.GetUtcNow() + after).ToUnixTimeMilliseconds() }, cancellationToken, promised: false);

    /// <summary>Rows in the table, sent ones included until they are removed.</summary>
    public Task<long> CountAsync(CancellationToken cancellationToken) => database.QueryFirstAsync<long>("SELECT count(*) FROM outbox", null, cancellationToken);

    private static string Values(string suffix) => string.Join(", ", Names.Select(name => $"@{name}{suffix}"));

    private static DynamicParameters Describe(DynamicParameters parameters, OutboxRow row, string suffix)
    {
        var m = row.Message;
        foreach (var (name, value) in Names.Zip<string, object?>([m.Id, m.AnalysisId, m.Destination, m.Type, m.Body, m.Traceparent, row.CreatedAt, row.ClaimedUntil]))
        {
            parameters.Add(name + suffix, value, value is long ? DbType.Int64 : DbType.String);
        }

        return parameters;
    }

    private static string[] Array(IReadOnlyCollection<string> ids) => [.. ids];
}
