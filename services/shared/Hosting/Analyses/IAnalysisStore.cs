using System.Data.Common;

namespace Palimpsest.Hosting;

/// <summary>The analyses table. Writes carry their outgoing messages in the same transaction.</summary>
public interface IAnalysisStore
{
    /// <summary>Inserts accepted analyses with their first messages; <paramref name="also"/> runs in the same transaction (idempotency key, batch, deliveries).</summary>
    Task InsertAsync(IReadOnlyCollection<AnalysisRecord> records, IReadOnlyCollection<OutboxMessage> messages, Func<DbTransaction, Task>? also, CancellationToken cancellationToken);

    /// <summary>By owner and id; null when it is not there or somebody else's.</summary>
    Task<AnalysisRecord?> FindAsync(string tenant, string id, CancellationToken cancellationToken);

    /// <summary>By id alone: for services, never for a client.</summary>
    Task<AnalysisRecord?> LoadAsync(string id, CancellationToken cancellationToken);

    /// <summary>
    /// Saves <paramref name="record"/> if the stored version is still <paramref name="record"/>.Version; the stored version becomes one higher.
    /// </summary>
    /// <returns>The record as saved; null when somebody else saved first: load again and re-apply.</returns>
    Task<AnalysisRecord?> TrySaveAsync(AnalysisRecord record, IReadOnlyCollection<OutboxMessage> messages, Func<DbTransaction, Task>? also, CancellationToken cancellationToken);

    /// <summary>
    /// Non-terminal analyses of a stage whose step is due before <paramref name="due"/>, the longest waiting first. Not those of which something lies in the outbox: that was not sent yet.
    /// </summary>
    Task<IReadOnlyList<AnalysisRecord>> OverdueAsync(string stage, DateTimeOffset due, int limit, CancellationToken cancellationToken);

    /// <summary>Unerased analyses past their retention, oldest first.</summary>
    Task<IReadOnlyList<AnalysisRecord>> ExpiredAsync(DateTimeOffset now, int limit, CancellationToken cancellationToken);

    /// <summary>A tenant's analyses, newest first.</summary>
    Task<IReadOnlyList<AnalysisRecord>> ListAsync(string tenant, AnalysisFilter filter, CancellationToken cancellationToken);

    /// <summary>A batch's analyses in order.</summary>
    Task<IReadOnlyList<AnalysisRecord>> BatchAsync(string tenant, string batchId, CancellationToken cancellationToken);
}

/// <summary>Filters of a listing; null means any.</summary>
public sealed record AnalysisFilter
{
    /// <summary>One of the statuses.</summary>
    public string? Status { get; init; }

    /// <summary>One of the verdicts.</summary>
    public string? Verdict { get; init; }

    /// <summary>SHA-256 of the upload.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Rows at most.</summary>
    public int Limit { get; init; } = 50;

    /// <summary>Only rows after this one in the listing's order.</summary>
    public (DateTimeOffset CreatedAt, string Id)? After { get; init; }
}
