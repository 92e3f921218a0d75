using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>One row of <c>analyses</c>: what was asked, how far it is, what was found. Changed only by reporting's <c>Analysis.Apply</c> after acceptance.</summary>
public sealed record AnalysisRecord
{
    /// <summary><c>an_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Owner; every look-up from outside is by (tenant, id).</summary>
    public required string Tenant { get; init; }

    /// <summary>Optimistic concurrency; grows by one with each save; also the SSE event id.</summary>
    public int Version { get; init; } = 1;

    /// <summary>One of <see cref="AnalysisStatuses"/>.</summary>
    public string Status { get; init; } = AnalysisStatuses.Queued;

    /// <summary>One of <see cref="Stages"/>.</summary>
    public string Stage { get; init; } = Stages.Preprocessing;

    /// <summary>When the pending step was (re)sent.</summary>
    public required DateTimeOffset StageSince { get; init; }

    /// <summary>How often the pending step was re-sent.</summary>
    public int StageAttempts { get; init; }

    /// <summary>When the stalled-work sweep looks again; null when terminal.</summary>
    public DateTimeOffset? StageDue { get; init; }

    /// <summary>When the 202 was promised.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>First news from a service.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it became terminal.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>When image and maps were erased.</summary>
    public DateTimeOffset? ErasedAt { get; init; }

    /// <summary>When the retention sweep erases it.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>What was asked.</summary>
    public required AnalysisRequest Request { get; init; }

    /// <summary>What was found so far.</summary>
    public AnalysisFindings Findings { get; init; } = new();
}

/// <summary>Stages an analysis passes.</summary>
public static class Stages
{
    /// <summary>Waiting for, or in, the decoder.</summary>
    public const string Preprocessing = "preprocessing";

    /// <summary>Waiting for the router.</summary>
    public const string Routing = "routing";

    /// <summary>Waiting for localizers.</summary>
    public const string Localizing = "localizing";

    /// <summary>Being fused, or done.</summary>
    public const string Reporting = "reporting";
}

/// <summary>What the client sent; never changes.</summary>
public sealed record AnalysisRequest
{
    /// <summary>The upload.</summary>
    public required BlobReference Upload { get; init; }

    /// <summary>SHA-256 of the upload, lower-case hex.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Format by magic bytes.</summary>
    public required string Format { get; init; }

    /// <summary>Detectors and face crop.</summary>
    public required AnalysisOptions Options { get; init; }

    /// <summary>File name as sent, without path.</summary>
    public string? Filename { get; init; }

    /// <summary>Address the picture was fetched from, without query and credentials.</summary>
    public string? SourceUrl { get; init; }

    /// <summary>Where the result is posted.</summary>
    public string? CallbackUrl { get; init; }

    /// <summary>Echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>True for <c>retention: zero</c>.</summary>
    public bool ZeroRetention { get; init; }

    /// <summary>The batch it belongs to.</summary>
    public string? BatchId { get; init; }

    /// <summary>Position in the batch.</summary>
    public int? BatchIndex { get; init; }

    /// <summary>Result-cache key: tenant, sha256, models, calibration and options.</summary>
    public string? CacheKey { get; init; }

    /// <summary>W3C traceparent of the submission.</summary>
    public string? Traceparent { get; init; }
}

/// <summary>What the services found so far; grows with each event.</summary>
public sealed record AnalysisFindings
{
    /// <summary>The prepared image; null before preprocessing and again after the report, when nothing needs its pixels any more.</summary>
    public BlobReference? Prepared { get; init; }

    /// <summary>The prepared image's facts alone (<c>Palimpsest.Imaging.ImageFacts</c> as JSON): kept with the report, masks are rendered by their geometry.</summary>
    public BlobReference? Facts { get; init; }

    /// <summary>Format found by decoding.</summary>
    public string? Format { get; init; }

    /// <summary>Displayed width, pixels.</summary>
    public int? Width { get; init; }

    /// <summary>Displayed height, pixels.</summary>
    public int? Height { get; init; }

    /// <summary>Faces found.</summary>
    public int FaceCount { get; init; }

    /// <summary>Plain sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The router's judgement.</summary>
    public RoutingDocument? Routing { get; init; }

    /// <summary>One entry for each localizer, in the order of <see cref="DetectorNames.All"/>.</summary>
    public IReadOnlyList<DetectorFinding> Detectors { get; init; } = [];

    /// <summary>The verdict, once reporting has it.</summary>
    public AnalysisResult? Result { get; init; }

    /// <summary>Why it failed.</summary>
    public ErrorDocument? Error { get; init; }

    /// <summary>Answered from the cache; the id of the analysis it was copied from.</summary>
    public string? CachedFrom { get; init; }

    /// <summary>Deleted by the client: nothing of it is shown any more (410), unlike one whose retention time is over.</summary>
    public bool Deleted { get; init; }

    /// <summary>
    /// No localizer failed or fell silent. Only then does the result answer later submissions of the same picture: what is missing from a partial one may be back by then.
    /// </summary>
    [JsonIgnore]
    public bool IsWhole => Detectors.All(d => d.State is DetectorStates.Completed or DetectorStates.NotApplicable);

    /// <summary>Every blob that a finished report needs, the upload aside: what an answer from the cache copies.</summary>
    public IEnumerable<BlobReference> ReportBlobs()
    {
        foreach (var blob in Detectors.SelectMany(d => new[] { d.Map, d.Activation }).Append(Result?.Map).Append(Facts))
        {
            if (blob is not null)
            {
                yield return blob;
            }
        }
    }
}

/// <summary>One localizer in one analysis.</summary>
public sealed record DetectorFinding
{
    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Name { get; init; }

    /// <summary>One of <see cref="DetectorStates"/>; null while deferred (run only if the first find nothing).</summary>
    public string? State { get; init; }

    /// <summary>Raw score, 0..1.</summary>
    public double? RawScore { get; init; }

    /// <summary>Calibrated score, 0..1; set by fusion.</summary>
    public double? Score { get; init; }

    /// <summary>Threshold on the calibrated score.</summary>
    public double? Threshold { get; init; }

    /// <summary>Which model.</summary>
    public ModelIdentity? Model { get; init; }

    /// <summary>Milliseconds.</summary>
    public double? DurationMs { get; init; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    public string? Provider { get; init; }

    /// <summary>Why not completed.</summary>
    public string? Reason { get; init; }

    /// <summary>Its probability map.</summary>
    public BlobReference? Map { get; init; }

    /// <summary>Its class-activation map.</summary>
    public BlobReference? Activation { get; init; }

    /// <summary>Raw score of each face.</summary>
    public IReadOnlyList<double> FaceScores { get; init; } = [];
}

/// <summary>The fused result.</summary>
public sealed record AnalysisResult
{
    /// <summary>One of <see cref="Verdicts"/>.</summary>
    public required string Verdict { get; init; }

    /// <summary>Calibrated probability of manipulation.</summary>
    public required double Score { get; init; }

    /// <summary>Probability of the stated verdict.</summary>
    public required double Confidence { get; init; }

    /// <summary>shallowfake, deepfake, both or none.</summary>
    public required string Kind { get; init; }

    /// <summary>Share of pixels above the mask threshold.</summary>
    public required double ManipulatedArea { get; init; }

    /// <summary>Largest first.</summary>
    public required IReadOnlyList<RegionDocument> Regions { get; init; }

    /// <summary>Faces, displayed pixels, with scores where scored.</summary>
    public required IReadOnlyList<FaceDocument> Faces { get; init; }

    /// <summary>Which calibration.</summary>
    public required string CalibrationVersion { get; init; }

    /// <summary>The fused probability map.</summary>
    public BlobReference? Map { get; init; }
}
