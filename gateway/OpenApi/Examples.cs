using System.Text.Json;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;

namespace Palimpsest.Gateway;

/// <summary>Examples of the document, built from the types themselves so that they cannot drift.</summary>
internal static class Examples
{
    private const string Id = "an_01a2043d89e87cfbaca262f895879c8e";

    private static readonly DateTimeOffset At = new(2026, 11, 22, 17, 11, 11, TimeSpan.Zero);

    private static readonly ModelIdentity Model = new() { Name = "shallowfake", Version = "1.0.0", Sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" };

    private static readonly AnalysisDocument Accepted = new()
    {
        Id = Id,
        Status = AnalysisStatuses.Queued,
        CreatedAt = At,
        Progress = new ProgressDocument { Stage = "preprocessing", Percent = 0 },
        Image = new ImageDocument { Sha256 = "35cdfe8259aca40d564baf33ee749d82ce852446bd9574f0c47551d8bfffda99", Format = "jpeg", Bytes = 224_297, Filename = "a.jpg" },
        Metadata = new JsonObject { ["post"] = 4711 },
        TraceId = "428244ef97be0296319ccf387285c703",
        Links = new LinksDocument { Self = "/v1/analyses/" + Id, Events = $"/v1/analyses/{Id}/events" },
    };

    public static JsonNode Queued => Node(Accepted);

    public static JsonNode Succeeded => Node(Accepted with
    {
        Status = AnalysisStatuses.Succeeded,
        StartedAt = At.AddMilliseconds(40),
        CompletedAt = At.AddMilliseconds(410),
        Progress = new ProgressDocument { Stage = "reporting", Percent = 100 },
        Image = Accepted.Image with { Width = 640, Height = 480 },
        Verdict = Verdicts.LikelyFake,
        Score = 0.93,
        Confidence = 0.93,
        Kind = "shallowfake",
        ManipulatedArea = 0.071,
        Regions = [new RegionDocument { Box = new PixelBox { X = 10, Y = 20, Width = 90, Height = 80 }, Area = 0.05, Score = 0.9, Detector = DetectorNames.Shallowfake }],
        Routing = new RoutingDocument { Shallowfake = 0.97, Deepfake = 0.03, Reasons = ["No face was found."] },
        Detectors =
        [
            new DetectorDocument
            {
                Name = DetectorNames.Shallowfake, State = DetectorStates.Completed, Score = 0.93, Threshold = 0.5, Model = Model, DurationMs = 184, Provider = "cpu",
                Mask = $"/v1/analyses/{Id}/evidence/mask-shallowfake",
            },
            new DetectorDocument { Name = DetectorNames.Deepfake, State = DetectorStates.NotApplicable, Reason = "No face was found." },
        ],
        CalibrationVersion = "2026-11-22",
        Links = Accepted.Links with { Mask = $"/v1/analyses/{Id}/mask", Overlay = $"/v1/analyses/{Id}/overlay", Report = $"/v1/analyses/{Id}/report" },
    });

    public static JsonNode Failed => Node(Accepted with
    {
        Status = AnalysisStatuses.Failed,
        StartedAt = At.AddMilliseconds(40),
        CompletedAt = At.AddMilliseconds(60),
        Progress = new ProgressDocument { Stage = "reporting", Percent = 100 },
        Error = new ErrorDocument { Code = ErrorCodes.ImageTruncated, Detail = "The file ends too early; send it whole." },
        Links = Accepted.Links with { Report = $"/v1/analyses/{Id}/report" },
    });

    public static JsonNode Batch => Node(new BatchDocument
    {
        Id = "ba_01a2043d8fad797cbb1cfa38ae68206a",
        Status = "running",
        CreatedAt = At,
        Counts = new BatchCounts { Total = 2, Queued = 1, Running = 0, Succeeded = 0, Failed = 0, Canceled = 0, Rejected = 1 },
        Items =
        [
            new BatchItemDocument { Index = 0, Status = AnalysisStatuses.Queued, AnalysisId = Id, Filename = "a.jpg" },
            new BatchItemDocument { Index = 1, Status = "rejected", Filename = "notes.txt", Error = new ErrorDocument { Code = ErrorCodes.UnsupportedFormat, Detail = "These bytes are not an image that is accepted." } },
        ],
        Links = new BatchLinks { Self = "/v1/batches/ba_01a2043d8fad797cbb1cfa38ae68206a", Results = "/v1/batches/ba_01a2043d8fad797cbb1cfa38ae68206a/results.csv" },
    });

    public static JsonNode BatchEvent => JsonNode.Parse("""
        {"type": "batch.completed", "timestamp": "2026-11-22T17:12:00+00:00", "data": {"id": "ba_01a2043d8fad797cbb1cfa38ae68206a", "created_at": "2026-11-22T17:11:11+00:00",
         "completed_at": "2026-11-22T17:12:00+00:00", "total": 2, "succeeded": 1, "failed": 1, "verdicts": {"likely_fake": 1}, "metadata": null,
         "links": {"self": "/v1/batches/ba_01a2043d8fad797cbb1cfa38ae68206a", "results": "/v1/batches/ba_01a2043d8fad797cbb1cfa38ae68206a/results.csv"}}}
        """)!;

    public static JsonNode Event(string type, JsonNode data) => new JsonObject { ["type"] = type, ["timestamp"] = Node(At), ["data"] = data.DeepClone() };

    private static JsonNode Node<T>(T value) => JsonSerializer.SerializeToNode(value, PlatformJson.Options)!;
}
