using System.Text.Json.Nodes;

namespace Palimpsest.Contracts;

/// <summary>The analysis as the API shows it (snake_case JSON, see <see cref="PlatformJson"/>).</summary>
public sealed record AnalysisDocument
{
    /// <summary><c>an_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>One of <see cref="AnalysisStatuses"/>.</summary>
    public required string Status { get; init; }

    /// <summary>When the 202 was promised.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When preprocessing had it.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? CompletedAt { get; init; }

    /// <summary>Where it stands.</summary>
    public required ProgressDocument Progress { get; init; }

    /// <summary>The picture.</summary>
    public required ImageDocument Image { get; init; }

    /// <summary>One of <see cref="Verdicts"/>; null until succeeded.</summary>
    public string? Verdict { get; init; }

    /// <summary>Calibrated probability that the picture is manipulated, 0..1.</summary>
    public double? Score { get; init; }

    /// <summary>Probability of the stated verdict; for uncertain max(score, 1 − score).</summary>
    public double? Confidence { get; init; }

    /// <summary>shallowfake, deepfake, both or none.</summary>
    public string? Kind { get; init; }

    /// <summary>Share of the picture's pixels above the mask threshold, 0..1.</summary>
    public double? ManipulatedArea { get; init; }

    /// <summary>Connected manipulated regions, largest first.</summary>
    public IReadOnlyList<RegionDocument> Regions { get; init; } = [];

    /// <summary>What the router thought.</summary>
    public RoutingDocument? Routing { get; init; }

    /// <summary>Faces found.</summary>
    public IReadOnlyList<FaceDocument> Faces { get; init; } = [];

    /// <summary>Each localizer with its state.</summary>
    public IReadOnlyList<DetectorDocument> Detectors { get; init; } = [];

    /// <summary>What an analyst looks at beside the mask. Here most of it is <c>available</c>: it is made when asked for, see <see cref="EvidenceDocument"/>.</summary>
    public IReadOnlyList<EvidenceDocument> Evidence { get; init; } = [];

    /// <summary>Version of the score calibration.</summary>
    public string? CalibrationVersion { get; init; }

    /// <summary>Answered from the cache, without running a network.</summary>
    public bool Cached { get; init; }

    /// <summary>Plain sentences.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>The client's metadata, echoed.</summary>
    public JsonObject? Metadata { get; init; }

    /// <summary>The batch it belongs to.</summary>
    public string? BatchId { get; init; }

    /// <summary>W3C trace id, 32 hex digits.</summary>
    public string? TraceId { get; init; }

    /// <summary>Why it failed.</summary>
    public ErrorDocument? Error { get; init; }

    /// <summary>When image and maps were erased; the numbers stay.</summary>
    public DateTimeOffset? ErasedAt { get; init; }

    /// <summary>Where the parts are.</summary>
    public required LinksDocument Links { get; init; }
}

/// <summary>Stage and percent.</summary>
public sealed record ProgressDocument
{
    /// <summary>preprocessing, routing, localizing or reporting.</summary>
    public required string Stage { get; init; }

    /// <summary>0..100.</summary>
    public required int Percent { get; init; }
}

/// <summary>Facts about the upload; sizes in displayed orientation.</summary>
public sealed record ImageDocument
{
    /// <summary>SHA-256 of the upload, lower-case hex.</summary>
    public required string Sha256 { get; init; }

    /// <summary>jpeg, png, webp, tiff, gif or avif.</summary>
    public string? Format { get; init; }

    /// <summary>Pixels.</summary>
    public int? Width { get; init; }

    /// <summary>Pixels.</summary>
    public int? Height { get; init; }

    /// <summary>Length of the upload, bytes.</summary>
    public required long Bytes { get; init; }

    /// <summary>File name as sent, without path.</summary>
    public string? Filename { get; init; }
}

/// <summary>A connected region above the mask threshold; displayed pixels.</summary>
public sealed record RegionDocument
{
    /// <summary>Bounding box.</summary>
    public required PixelBox Box { get; init; }

    /// <summary>Share of the picture, 0..1.</summary>
    public required double Area { get; init; }

    /// <summary>Mean mask probability inside, 0..1.</summary>
    public required double Score { get; init; }

    /// <summary>The localizer with the stronger response there.</summary>
    public required string Detector { get; init; }
}

/// <summary>The router's judgement.</summary>
public sealed record RoutingDocument
{
    /// <summary>0..1.</summary>
    public double? Shallowfake { get; init; }

    /// <summary>0..1.</summary>
    public double? Deepfake { get; init; }

    /// <summary>In words.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }
}

/// <summary>A face; displayed pixels.</summary>
public sealed record FaceDocument
{
    /// <summary>Bounding box.</summary>
    public required PixelBox Box { get; init; }

    /// <summary>Face detector's confidence, 0..1.</summary>
    public required double Confidence { get; init; }

    /// <summary>Deepfake score of this face, 0..1; null when the deepfake localizer did not run.</summary>
    public double? Score { get; init; }
}

/// <summary>One localizer's part.</summary>
public sealed record DetectorDocument
{
    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Name { get; init; }

    /// <summary>One of <see cref="DetectorStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>Calibrated score, 0..1.</summary>
    public double? Score { get; init; }

    /// <summary>Threshold on the score.</summary>
    public double? Threshold { get; init; }

    /// <summary>Which model.</summary>
    public ModelIdentity? Model { get; init; }

    /// <summary>Time of detection, milliseconds.</summary>
    public double? DurationMs { get; init; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    public string? Provider { get; init; }

    /// <summary>Why not completed.</summary>
    public string? Reason { get; init; }

    /// <summary>Path of this localizer's own mask.</summary>
    public string? Mask { get; init; }
}

/// <summary>Why an analysis failed.</summary>
public sealed record ErrorDocument
{
    /// <summary>One of <see cref="ErrorCodes"/>.</summary>
    public required string Code { get; init; }

    /// <summary>What is wrong and what to do.</summary>
    public required string Detail { get; init; }
}

/// <summary>Paths of the parts; null when a part does not exist (yet, or any more).</summary>
public sealed record LinksDocument
{
    /// <summary>The analysis.</summary>
    public required string Self { get; init; }

    /// <summary>Grey PNG, the upload's size.</summary>
    public string? Mask { get; init; }

    /// <summary>Picture with the mask drawn over it.</summary>
    public string? Overlay { get; init; }

    /// <summary>HTML report.</summary>
    public string? Report { get; init; }

    /// <summary>Server-sent events.</summary>
    public required string Events { get; init; }
}
