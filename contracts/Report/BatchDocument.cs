using System.Text.Json.Nodes;

namespace Palimpsest.Contracts;

/// <summary>A batch as the API shows it.</summary>
public sealed record BatchDocument
{
    /// <summary><c>ba_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>running or completed.</summary>
    public required string Status { get; init; }

    /// <summary>When the 202 was promised.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its last item ended.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Items by state; they add up to the total.</summary>
    public required BatchCounts Counts { get; init; }

    /// <summary>Every item in the order it was sent.</summary>
    public required IReadOnlyList<BatchItemDocument> Items { get; init; }

    /// <summary>The client's metadata, echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>Where the parts are.</summary>
    public required BatchLinks Links { get; init; }
}

/// <summary>Items of a batch by state.</summary>
public sealed record BatchCounts
{
    /// <summary>All of them.</summary>
    public required int Total { get; init; }

    /// <summary>Accepted, nothing known yet.</summary>
    public required int Queued { get; init; }

    /// <summary>Being worked on.</summary>
    public required int Running { get; init; }

    /// <summary>With a report.</summary>
    public required int Succeeded { get; init; }

    /// <summary>Ended without a report.</summary>
    public required int Failed { get; init; }

    /// <summary>Deleted before they ended.</summary>
    public required int Canceled { get; init; }

    /// <summary>Refused at submission; there is no analysis.</summary>
    public required int Rejected { get; init; }
}

/// <summary>One item of a batch.</summary>
public sealed record BatchItemDocument
{
    /// <summary>Position in the request, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>One of <see cref="AnalysisStatuses"/>, or <c>rejected</c>.</summary>
    public required string Status { get; init; }

    /// <summary>Its analysis; null when rejected.</summary>
    public string? AnalysisId { get; init; }

    /// <summary>File name as sent, without path.</summary>
    public string? Filename { get; init; }

    /// <summary>Address it was fetched from, without query and credentials.</summary>
    public string? Url { get; init; }

    /// <summary>One of <see cref="Verdicts"/>.</summary>
    public string? Verdict { get; init; }

    /// <summary>Calibrated probability of manipulation, 0..1.</summary>
    public double? Score { get; init; }

    /// <summary>Why there is no report.</summary>
    public ErrorDocument? Error { get; init; }
}

/// <summary>Paths of a batch.</summary>
public sealed record BatchLinks
{
    /// <summary>The batch.</summary>
    public required string Self { get; init; }

    /// <summary>One CSV row for each item.</summary>
    public required string Results { get; init; }
}
