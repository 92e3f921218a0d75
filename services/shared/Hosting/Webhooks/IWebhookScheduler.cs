using System.Data.Common;
using System.Text.Json.Nodes;

namespace Palimpsest.Hosting;

/// <summary>
/// Puts webhook deliveries on the schedule within the transaction that ends an analysis (or batch): no end without its webhook, no webhook without its end.
/// Reporting calls it when an analysis finishes, the gateway when it answers from the cache. Calling twice for one end schedules once.
/// </summary>
public interface IWebhookScheduler
{
    /// <summary>
    /// One delivery to the analysis' <c>callback_url</c> (signed with the tenant's default secret) and one to each enabled endpoint that takes the event. The
    /// body is frozen now. Does nothing for an analysis that is neither succeeded nor failed.
    /// </summary>
    /// <returns>True when something was scheduled: call <see cref="Wake"/> after the commit.</returns>
    Task<bool> ScheduleAsync(DbTransaction transaction, AnalysisRecord record, CancellationToken cancellationToken);

    /// <summary>As above for <c>batch.completed</c>.</summary>
    Task<bool> ScheduleBatchAsync(DbTransaction transaction, FinishedBatch batch, CancellationToken cancellationToken);

    /// <summary>Tells the sender of this process that something was committed. Optional: without it delivery starts up to a second later.</summary>
    void Wake();
}

/// <summary>What <c>batch.completed</c> says.</summary>
public sealed record FinishedBatch
{
    /// <summary><c>ba_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Owner.</summary>
    public required string Tenant { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its last analysis ended.</summary>
    public required DateTimeOffset CompletedAt { get; init; }

    /// <summary>Items, refused ones included.</summary>
    public required int Total { get; init; }

    /// <summary>Items with a report.</summary>
    public required int Succeeded { get; init; }

    /// <summary>Items without: failed, canceled, or refused at submission.</summary>
    public required int Failed { get; init; }

    /// <summary>Number of items for each verdict.</summary>
    public required IReadOnlyDictionary<string, int> Verdicts { get; init; }

    /// <summary>Where the result is posted beside the endpoints; null: nowhere else.</summary>
    public string? CallbackUrl { get; init; }

    /// <summary>Echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>W3C traceparent of the submission.</summary>
    public string? Traceparent { get; init; }
}

/// <summary>Event types.</summary>
public static class WebhookEvents
{
    /// <summary>A report exists, whole or partial.</summary>
    public const string AnalysisCompleted = "analysis.completed";

    /// <summary>The analysis ended without one.</summary>
    public const string AnalysisFailed = "analysis.failed";

    /// <summary>Every item of a batch has ended.</summary>
    public const string BatchCompleted = "batch.completed";

    /// <summary>Sent on request to try an endpoint; endpoints get it whatever their filter.</summary>
    public const string Test = "webhook.test";

    /// <summary>Events an endpoint may filter by.</summary>
    public static IReadOnlyList<string> All { get; } = [AnalysisCompleted, AnalysisFailed, BatchCompleted];
}
