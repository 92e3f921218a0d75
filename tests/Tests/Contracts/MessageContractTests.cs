using System.Runtime.CompilerServices;
using System.Text.Json;
using MassTransit;
using MassTransit.Serialization;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Inference;
using Palimpsest.Routing;

namespace Palimpsest.Tests.Contracts;

/// <summary>Wire identity: the URN and the JSON of every message. Changing one of these breaks messages in flight during a rolling upgrade.</summary>
public sealed class MessageContractTests
{
    private static readonly BlobReference Blob = new() { Key = "an_1/upload", Bytes = 182_311 };
    private static readonly AnalysisOptions Options = new() { Detectors = DetectorChoices.Both, FaceCrop = false };
    private static readonly ModelIdentity Model = new() { Name = "palimpsest-shallowfake", Version = "1.0.0", Sha256 = new string('a', 64) };

    private static readonly ImagePreprocessed Preprocessed = new()
    {
        AnalysisId = "an_1", Prepared = Blob with { Key = "an_1/prepared" }, Format = "jpeg", Width = 1024, Height = 683, FaceCount = 2, Options = Options, Warnings = ["Only the first frame was analysed."],
    };

    public static TheoryData<string, object> Messages => new()
    {
        { "preprocess-image", new PreprocessImage { AnalysisId = "an_1", Upload = Blob, Options = Options } },
        { "image-preprocessed", Preprocessed },
        { "image-rejected", new ImageRejected { AnalysisId = "an_1", Code = ErrorCodes.ImageTruncated, Detail = "The file ends too early." } },
        {
            "analysis-routed", new AnalysisRouted
            {
                AnalysisId = "an_1", Prepared = Blob, Preprocessed = Preprocessed, Shallowfake = 0.9, Deepfake = 0.1, Reasons = ["One face."], Options = Options,
                Plan = [new DetectorPlan { Detector = DetectorNames.Shallowfake, Action = DetectorActions.Run }, new DetectorPlan { Detector = DetectorNames.Deepfake, Action = DetectorActions.RunIfClean, Reason = "The router is sure." }],
            }
        },
        { "localize-manipulation", new LocalizeManipulation { AnalysisId = "an_1", Detector = DetectorNames.Deepfake, Prepared = Blob, Options = Options } },
        {
            "manipulation-localized", new ManipulationLocalized
            {
                AnalysisId = "an_1", Detector = DetectorNames.Deepfake, State = DetectorStates.Completed, Score = 0.75, Threshold = 0.5, Model = Model, Map = Blob, Activation = Blob,
                FaceScores = [0.75, 0.125], DurationMs = 84.5, Provider = "cpu",
            }
        },
        { "analysis-completed", new AnalysisCompleted { AnalysisId = "an_1", Tenant = "default", Verdict = Verdicts.LikelyFake, Score = 0.93 } },
        { "analysis-failed", new AnalysisFailed { AnalysisId = "an_1", Tenant = "default", Code = ErrorCodes.ImageCorrupt, Detail = "The file cannot be decoded." } },
    };

    /// <summary>Each as large as the platform makes it: full keys and numbers, every warning and reason at once, as many faces as are examined.</summary>
    public static TheoryData<string, object> Largest
    {
        get
        {
            string id = Ids.Analysis(TimeProvider.System), sentence = new('x', 600);
            string obstacle = $"The model file {new string('m', 64)}.onnx is not the one its manifest describes: its SHA-256 is {new string('a', 64)}, expected {new string('b', 64)}.";
            var blob = new BlobReference { Key = BlobKeys.Activation(id, DetectorNames.Shallowfake), Bytes = long.MaxValue };
            var options = new AnalysisOptions { Detectors = DetectorNames.Shallowfake, FaceCrop = false };
            var preprocessed = new ImagePreprocessed
            {
                AnalysisId = id, Prepared = blob, Format = "jpeg", Width = 16_384, Height = 16_384, FaceCount = 48, Options = options, Warnings = [.. Enumerable.Repeat(new string('w', 200), 3)],
            };
            var plan = RoutingPlanner.Plan(new RoutingInput
            {
                Options = new AnalysisOptions { FaceCrop = false }, FaceCount = new FaceSearchOptions().MaxFaces, FaceArea = 0.005, Router = new RouterOpinion(0.5, 0.5, 0.6),
                Detectors = DetectorNames.All.ToDictionary(d => d, _ => (string?)obstacle),
            });
            return new()
            {
                { "preprocess", new PreprocessImage { AnalysisId = id, Upload = blob, Options = options } },
                { "preprocessed", preprocessed },
                { "rejected", new ImageRejected { AnalysisId = id, Code = ErrorCodes.IdempotencyInFlight, Detail = sentence } },
                {
                    "routed", new AnalysisRouted
                    {
                        AnalysisId = id, Prepared = blob, Preprocessed = preprocessed, Shallowfake = 1.0 / 3, Deepfake = 2.0 / 3, Reasons = plan.Reasons, Plan = plan.Plan, Options = options,
                    }
                },
                { "localize", new LocalizeManipulation { AnalysisId = id, Detector = DetectorNames.Shallowfake, Prepared = blob, Options = options } },
                {
                    "localized", new ManipulationLocalized
                    {
                        AnalysisId = id, Detector = DetectorNames.Shallowfake, State = DetectorStates.NotApplicable, Score = 1.0 / 3, Threshold = 1.0 / 3, Map = blob, Activation = blob,
                        Model = new ModelIdentity { Name = new string('n', 64), Version = new string('v', 32), Sha256 = new string('a', 64) },
                        FaceScores = [.. Enumerable.Range(1, new FaceSearchOptions().MaxFaces).Select(i => i / 49.0 / 10_000)], DurationMs = 100_000 / 3.0, Provider = "tensorrt", Reason = sentence,
                    }
                },
                { "completed", new AnalysisCompleted { AnalysisId = id, Tenant = new string('t', 64), Verdict = Verdicts.LikelyFake, Score = 1.0 / 3 } },
                { "failed", new AnalysisFailed { AnalysisId = id, Tenant = new string('t', 64), Code = ErrorCodes.IdempotencyInFlight, Detail = sentence } },
            };
        }
    }

    [Fact]
    public void Every_contract_message_has_a_golden_file()
    {
        var messages = typeof(PreprocessImage).Assembly.GetExportedTypes().Where(t => t.IsClass && t.GetProperty("AnalysisId") is not null && !t.Name.EndsWith("Document")).Select(t => t.Name).Order();
        Messages.Select(row => row[1].GetType().Name).Order().ShouldBe(messages);
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void Message_serialises_as_its_golden_file_and_back(string name, object message)
    {
        string golden = File.ReadAllText(Path.Combine(Folder(), "Golden", name + ".json"));
        string json = JsonSerializer.Serialize(message, message.GetType(), new JsonSerializerOptions(SystemTextJsonMessageSerializer.Options) { WriteIndented = true });
        json.ReplaceLineEndings("\n").ShouldBe(golden.TrimEnd());
        object? back = JsonSerializer.Deserialize(golden, message.GetType(), SystemTextJsonMessageSerializer.Options);
        JsonSerializer.Serialize(back, message.GetType(), SystemTextJsonMessageSerializer.Options).ShouldBe(JsonSerializer.Serialize(message, message.GetType(), SystemTextJsonMessageSerializer.Options));
    }

    [Theory]
    [MemberData(nameof(Messages))]
    public void Message_urn_is_frozen(string name, object message)
    {
        string pascal = string.Concat(name.Split('-').Select(word => char.ToUpperInvariant(word[0]) + word[1..]));
        MessageUrn.ForTypeString(message.GetType()).ShouldBe($"urn:message:Palimpsest.Contracts:{pascal}");
    }

    [Theory]
    [MemberData(nameof(Largest))]
    public void Message_stays_under_four_kilobytes(string name, object message)
    {
        JsonSerializer.SerializeToUtf8Bytes(message, message.GetType(), SystemTextJsonMessageSerializer.Options).Length.ShouldBeLessThan(4096, name);
    }

    [Fact]
    public void Every_message_is_measured_at_its_limits() =>
        Largest.Select(row => row[1].GetType()).Distinct().Count().ShouldBe(Messages.Select(row => row[1].GetType()).Distinct().Count());

    [Fact]
    public void Unknown_fields_of_a_newer_version_are_ignored()
    {
        const string newer = """{"analysisId":"an_1","code":"image_corrupt","detail":"x","severity":"added later"}""";
        JsonSerializer.Deserialize<ImageRejected>(newer, SystemTextJsonMessageSerializer.Options)!.Code.ShouldBe("image_corrupt");
    }

    [Fact]
    public void Contracts_reference_no_package()
    {
        var references = typeof(PreprocessImage).Assembly.GetReferencedAssemblies().Select(a => a.Name!);
        references.ShouldAllBe(name => name.StartsWith("System.") || name == "netstandard" || name == "mscorlib");
    }

    private static string Folder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
