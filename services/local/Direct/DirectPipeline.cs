using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Deepfake;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Inference;
using Palimpsest.Preprocessing;
using Palimpsest.Reporting;
using Palimpsest.Routing;
using Palimpsest.Shallowfake;

namespace Palimpsest.Local.Direct;

/// <summary>The services' own pure parts, called one after the other in this process: what <c>scan</c> and <c>eval</c> report is what serving would.</summary>
internal sealed class DirectPipeline : IAsyncDisposable
{
    private readonly ServiceProvider services;
    private readonly string temporary;
    private readonly Preprocessor preprocessor;
    private readonly RouterModel router;
    private readonly IReadOnlyList<ModelDetector> detectors;
    private readonly Calibration calibration;
    private readonly TimeProvider time;

    private DirectPipeline(ServiceProvider services, string modelsDirectory)
    {
        this.services = services;
        preprocessor = services.GetRequiredService<Preprocessor>();
        router = services.GetRequiredService<RouterModel>();
        detectors = [.. DetectorNames.All.Select(name => services.GetRequiredKeyedService<ModelDetector>(name))];
        time = services.GetRequiredService<TimeProvider>();
        calibration = Calibration.Load(modelsDirectory);
        foreach (var detector in detectors)
        {
            detector.Load();
        }

        temporary = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    }

    /// <summary>A folder of its own, removed at the end.</summary>
    public string TemporaryFolder => temporary;

    public string CalibrationVersion => calibration.Version;

    /// <summary>The models that could be loaded.</summary>
    public IReadOnlyList<ModelIdentity> Models => [.. detectors.Select(d => d.Model).OfType<ModelIdentity>()];

    /// <summary>Localizers without a model, and why.</summary>
    public IReadOnlyList<(string Name, string Reason)> Unavailable => [.. detectors.Where(d => d.Model is null).Select(d => (d.Name, d.Unavailable ?? "no model"))];

    /// <summary>Loads models and starts decoder processes; no server, no database.</summary>
    /// <param name="models">Models folder; null: the usual one.</param>
    /// <exception cref="InvalidDataException">The calibration file is wrong.</exception>
    public static DirectPipeline Create(string? models)
    {
        var overrides = new Dictionary<string, string?>(StringComparer.Ordinal) { ["Logging:LogLevel:Default"] = "Error", ["RABBITMQ_URL"] = "", ["REDIS_URL"] = "", ["POSTGRES_URL"] = "" };
        if (models is not null)
        {
            overrides["PALIMPSEST_MODELS"] = Path.GetFullPath(models);
        }

        var platform = PlatformBuilder.Create([], "scan", overrides);
        platform.AddPreprocessing();
        platform.AddRouting();
        platform.AddShallowfake();
        platform.AddDeepfake();
        return new DirectPipeline(platform.Services.BuildServiceProvider(), platform.Settings.ModelsDirectory);
    }

    /// <summary>Analyses one file. A refusal or a fault of this picture is in the result, not thrown.</summary>
    public async Task<DirectResult> AnalyseAsync(string path, AnalysisOptions options, CancellationToken cancellationToken)
    {
        string prepared = Path.Combine(temporary, Guid.NewGuid().ToString("n"));
        long start = time.GetTimestamp();
        try
        {
            var (facts, refusal) = await preprocessor.PrepareAsync(Path.GetFullPath(path), prepared, cancellationToken);
            if (facts is null)
            {
                return Failed(path, refusal!.Code, refusal.Detail);
            }

            using var image = PreparedImage.Open(prepared);
            var result = await LocalizeAsync(path, image, options, cancellationToken);
            return result with { DurationMs = time.GetElapsedTime(start).TotalMilliseconds };
        }
        catch (Exception e) when (IsOfPicture(e))
        {
            bool expected = e is IOException or UnauthorizedAccessException or InvalidDataException or InferenceException or DetectorUnavailableException;
            return Failed(path, ErrorCodes.ProcessingCrashed, expected ? e.Message : $"{e.GetType().Name}: {e.Message}");
        }
        finally
        {
            File.Delete(prepared);
        }
    }

    /// <summary>A mistake of ours that one picture in a thousand meets is that picture's row, too, and not the end of the run.</summary>
    public static bool IsOfPicture(Exception e) => e is not (OperationCanceledException or OutOfMemoryException);

    public async ValueTask DisposeAsync()
    {
        await services.DisposeAsync();
        Directory.Delete(temporary, recursive: true);
    }

    private static DirectResult Failed(string path, string code, string detail) => new() { Path = path, ErrorCode = code, Error = detail };

    private async Task<DirectResult> LocalizeAsync(string path, PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken)
    {
        var input = RoutingInput.Of(image, options, router, detectors.ToDictionary(d => d.Name, d => d.Model is null ? d.Unavailable ?? "No model is loaded." : null, StringComparer.Ordinal));
        var decision = RoutingPlanner.Plan(input);
        var answers = (await Task.WhenAll(decision.Plan.Select(plan => AnswerAsync(plan, image, options, cancellationToken)))).ToList();
        if (decision.Plan.Any(p => p.Action == DetectorActions.RunIfClean))
        {
            bool look = Fusion.NeedsSecondLook(answers.Select(a => a.Evidence), calibration);
            for (int i = 0; i < answers.Count; i++)
            {
                if (decision.Plan[i].Action == DetectorActions.RunIfClean)
                {
                    answers[i] = look
                        ? await AnswerAsync(decision.Plan[i] with { Action = DetectorActions.Run }, image, options, cancellationToken)
                        : Skipped(decision.Plan[i].Detector, DetectorStates.NotApplicable, Coverage.NotNeeded("the first localizer"));
                }
            }
        }

        string[] routedTo = [.. decision.Plan.Where(p => p.Action == DetectorActions.Run).Select(p => p.Detector)];
        if (answers.TrueForAll(a => a.Evidence.State != DetectorStates.Completed))
        {
            return Failed(path, ErrorCodes.NoDetectorRan, string.Join(' ', answers.Select(a => $"{a.Evidence.Name}: {a.Evidence.Reason}")));
        }

        var report = Fusion.Fuse([.. answers.Select(a => a.Evidence)], image.Facts, calibration);
        return new DirectResult
        {
            Path = path, Geometry = image.Facts.Geometry, Map = report.Map, RoutedTo = routedTo, Warnings = [.. image.Facts.Warnings, .. report.Warnings],
            Routing = new RoutingDocument { Shallowfake = input.Router?.Shallowfake, Deepfake = input.Router?.Deepfake, Reasons = decision.Reasons },
            Detectors = [.. answers.Select(a => a.Finding with { Score = report.Scores.TryGetValue(a.Finding.Name, out double score) ? score : null })],
            Result = new AnalysisResult
            {
                Verdict = report.Verdict, Score = report.Score, Confidence = report.Confidence, Kind = report.Kind, ManipulatedArea = report.ManipulatedArea,
                Regions = report.Regions, Faces = report.Faces, CalibrationVersion = report.CalibrationVersion,
            },
        };
    }

    private async Task<Answer> AnswerAsync(DetectorPlan plan, PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken)
    {
        if (plan.Action != DetectorActions.Run)
        {
            return Skipped(
                plan.Detector, plan.Action switch { DetectorActions.NotApplicable => DetectorStates.NotApplicable, DetectorActions.RunIfClean => DetectorStates.Pending, _ => DetectorStates.Error }, plan.Reason);
        }

        var detector = detectors.First(d => d.Name == plan.Detector);
        long start = time.GetTimestamp();
        try
        {
            var found = await detector.DetectAsync(image, options, cancellationToken);
            return new Answer(
                new DetectorEvidence { Name = detector.Name, State = found.State, RawScore = found.Score, Map = found.Map, FaceScores = found.FaceScores, Reason = found.Reason },
                new DetectorFinding
                {
                    Name = detector.Name, State = found.State, RawScore = found.Score, Model = detector.Model, Provider = detector.Provider, FaceScores = found.FaceScores,
                    DurationMs = time.GetElapsedTime(start).TotalMilliseconds, Reason = found.Reason,
                });
        }
        catch (Exception e) when (e is DetectorUnavailableException or InferenceException)
        {
            return Skipped(plan.Detector, DetectorStates.Error, e.Message);
        }
    }

    private static Answer Skipped(string name, string state, string? reason) =>
        new(new DetectorEvidence { Name = name, State = state, Reason = reason }, new DetectorFinding { Name = name, State = state, Reason = reason });

    private sealed record Answer(DetectorEvidence Evidence, DetectorFinding Finding);
}
