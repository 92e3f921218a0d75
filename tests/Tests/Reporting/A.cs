using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Tests.Reporting;

/// <summary>Analyses, events and pictures for these tests.</summary>
internal static class A
{
    public static readonly DateTimeOffset Start = new(2026, 3, 4, 5, 6, 7, TimeSpan.Zero);

    public static readonly BlobReference Prepared = new() { Key = "an_1/prepared", Bytes = 1000 };

    public static readonly Calibration Calibration = new() { Version = "test", LikelyFake = 0.8, LikelyReal = 0.2 };

    public static AnalysisRecord Record(string id = "an_1", AnalysisRequest? request = null) => new()
    {
        Id = id, Tenant = "acme", StageSince = Start, StageDue = Start.AddSeconds(60), CreatedAt = Start, ExpiresAt = Start.AddDays(30), Request = request ?? Request(id),
    };

    public static AnalysisRequest Request(string id = "an_1") => new()
    {
        Upload = new BlobReference { Key = id + "/upload", Bytes = 123 }, Sha256 = new string('a', 64), Format = "png", Options = new AnalysisOptions(), Filename = "a.png",
    };

    public static ImagePreprocessed Preprocessed(int faces = 1, string id = "an_1") => new()
    {
        AnalysisId = id, Prepared = Prepared with { Key = id + "/prepared" }, Format = "png", Width = 64, Height = 48, FaceCount = faces, Options = new AnalysisOptions(),
    };

    public static AnalysisRouted Routed(string shallow = DetectorActions.Run, string deep = DetectorActions.Run, string id = "an_1") => new()
    {
        AnalysisId = id, Prepared = Prepared with { Key = id + "/prepared" }, Shallowfake = 0.7, Deepfake = 0.3, Reasons = ["because"], Options = new AnalysisOptions(),
        Plan = [new DetectorPlan { Detector = DetectorNames.Shallowfake, Action = shallow }, new DetectorPlan { Detector = DetectorNames.Deepfake, Action = deep, Reason = "planned" }],
    };

    public static ManipulationLocalized Localized(string detector, double score = 0.5, string id = "an_1") => new()
    {
        AnalysisId = id, Detector = detector, State = DetectorStates.Completed, Score = score, Threshold = 0.5,
        Model = new ModelIdentity { Name = detector, Version = "1", Sha256 = "00" }, Map = new BlobReference { Key = $"{id}/map-{detector}", Bytes = 10 }, DurationMs = 12,
    };

    public static ImageFacts Facts(int width = 64, int height = 48, int faces = 0, int orientation = 1) => new()
    {
        Format = "png",
        Geometry = new ImageGeometry { StoredWidth = width, StoredHeight = height, AnalysedWidth = width, AnalysedHeight = height, Orientation = orientation },
        Faces = [.. Enumerable.Range(0, faces).Select(i => new Face { Box = new PixelBox { X = 4 * i, Y = 4, Width = 16, Height = 16 }, Confidence = 0.9, Keypoints = [] })],
    };

    /// <summary>A map with rectangles of cells set: (x, y, width, height, value).</summary>
    public static ProbabilityMap Map(ImageFacts facts, params (int X, int Y, int W, int H, byte Value)[] boxes)
    {
        var map = ProbabilityMap.Blank(facts.Geometry.AnalysedWidth, facts.Geometry.AnalysedHeight);
        foreach (var (x, y, w, h, value) in boxes)
        {
            for (int j = y; j < y + h; j++)
            {
                map.Values.AsSpan((j * map.Width) + x, w).Fill(value);
            }
        }

        return map;
    }
}
