using System.Data.Common;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dapper;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>One row of <c>batches</c>: what was submitted together. Its analyses carry its id and their position.</summary>
public sealed record BatchRecord
{
    /// <summary><c>ba_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Owner.</summary>
    public required string Tenant { get; init; }

    /// <summary>When the 202 was promised.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its last item ended.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Items, refused ones included.</summary>
    public required int Total { get; init; }

    /// <summary>Where <c>batch.completed</c> is posted.</summary>
    public string? CallbackUrl { get; init; }

    /// <summary>Echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>Items refused at submission, in order.</summary>
    public IReadOnlyList<RejectedItem> Rejected { get; init; } = [];

    /// <summary>What <c>batch.completed</c> says of it.</summary>
    /// <param name="at">When its last item ended.</param>
    /// <param name="ended">Its analyses, counted by status and verdict.</param>
    public FinishedBatch Finish(DateTimeOffset at, IReadOnlyCollection<(string Status, string? Verdict, long Count)> ended)
    {
        int succeeded = (int)ended.Where(e => e.Status == AnalysisStatuses.Succeeded).Sum(e => e.Count);
        return new FinishedBatch
        {
            Id = Id,
            Tenant = Tenant,
            CreatedAt = CreatedAt,
            CompletedAt = at,
            Total = Total,
            Succeeded = succeeded,
            Failed = Total - succeeded,
            Verdicts = ended.Where(e => e.Verdict is not null).GroupBy(e => e.Verdict!).ToDictionary(g => g.Key, g => (int)g.Sum(e => e.Count), StringComparer.Ordinal),
            CallbackUrl = CallbackUrl,
            Metadata = Metadata,
            Traceparent = Activity.Current?.Id,
        };
    }

    /// <summary>Writes the row within the accepting transaction.</summary>
    public Task InsertAsync(DbTransaction transaction, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        return transaction.Connection!.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO batches (id, tenant, created_at, completed_at, total, callback_url, metadata, rejected)
            VALUES (@Id, @Tenant, @created, @completed, @Total, @CallbackUrl, @metadata, @rejected)
            """,
            new
            {
                Id, Tenant, created = CreatedAt.ToUnixTimeMilliseconds(), completed = CompletedAt?.ToUnixTimeMilliseconds(), Total, CallbackUrl, metadata = Metadata?.ToJsonString(PlatformJson.Options),
                rejected = JsonSerializer.Serialize(Rejected, PlatformJson.Options),
            },
            transaction, cancellationToken: cancellationToken));
    }
}

/// <summary>An item of a batch that was not accepted.</summary>
public sealed record RejectedItem
{
    /// <summary>Position in the request, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>File name as sent, without path.</summary>
    public string? Filename { get; init; }

    /// <summary>Address, without query and credentials.</summary>
    public string? Url { get; init; }

    /// <summary>Why.</summary>
    public required ErrorDocument Error { get; init; }
}

/// <summary>The batch as the API shows it. Pure; gateway and reporting give the same answer.</summary>
public static class BatchDocuments
{
    /// <summary>Status of an item that was refused at submission.</summary>
    public const string Rejected = "rejected";

    /// <summary>The public document of a batch and its analyses, in any order.</summary>
    public static BatchDocument From(BatchRecord batch, IReadOnlyCollection<AnalysisRecord> analyses)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(analyses);
        string self = "/v1/batches/" + batch.Id;
        int Count(string status) => analyses.Count(a => a.Status == status);
        return new BatchDocument
        {
            Id = batch.Id,
            Status = batch.CompletedAt is null ? "running" : "completed",
            CreatedAt = batch.CreatedAt,
            CompletedAt = batch.CompletedAt,
            Counts = new BatchCounts
            {
                Total = batch.Total, Queued = Count(AnalysisStatuses.Queued), Running = Count(AnalysisStatuses.Running), Succeeded = Count(AnalysisStatuses.Succeeded),
                Failed = Count(AnalysisStatuses.Failed), Canceled = Count(AnalysisStatuses.Canceled), Rejected = batch.Rejected.Count,
            },
            Items = [.. analyses.Select(Item).Concat(batch.Rejected.Select(Item)).OrderBy(i => i.Index)],
            Metadata = batch.Metadata,
            Links = new BatchLinks { Self = self, Results = self + "/results.csv" },
        };
    }

    private static BatchItemDocument Item(AnalysisRecord a) => new()
    {
        Index = a.Request.BatchIndex ?? 0, Status = a.Status, AnalysisId = a.Id, Filename = a.Request.Filename, Url = a.Request.SourceUrl,
        Verdict = a.Findings.Result?.Verdict, Score = a.Findings.Result?.Score, Error = a.Findings.Error,
    };

    private static BatchItemDocument Item(RejectedItem r) => new() { Index = r.Index, Status = Rejected, Filename = r.Filename, Url = r.Url, Error = r.Error };
}
