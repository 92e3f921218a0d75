using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Direct;
using Palimpsest.Local.Evaluation;

namespace Palimpsest.Local.Commands;

/// <summary><c>eval</c>: a labelled set through the pipeline that serves.</summary>
internal static class EvalCommand
{
    private const int GallerySize = 8;
    private const int GallerySide = 320;

    public static Command Create()
    {
        var data = new Option<string>("--data") { Description = "Manifest CSV (image,mask,label[,dataset][,kind]), a folder with manifest.csv, or one with authentic/, forged/ and masks/.", Required = true };
        var output = new Option<string>("--out") { Description = "Folder for metrics.json, per-image.csv and report.html.", DefaultValueFactory = _ => "eval-results" };
        var where = new Option<string?>("--where") { Description = "Conditions on manifest columns, e.g. split=val,dataset=casia1|coco." };
        var degrade = new Option<string?>("--degrade") { Description = string.Join(", ", Degradation.Names) + ": applied to every picture before analysis." };
        degrade.AcceptOnlyFromAmong([.. Degradation.Names]);
        var models = new Option<string?>("--models") { Description = "Models folder." };
        var parallel = new Option<int>("--parallel") { Description = "Pictures at a time.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var analysis = new AnalysisOptionsBinding();
        var command = new Command("eval", "Measures accuracy on a labelled set. Exit 3: some pictures had errors; 130: interrupted.") { data, output, where, degrade, analysis.Detectors, analysis.NoFaceCrop, models, parallel };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                var items = EvaluationManifest.Read(parsed.GetValue(data)!, parsed.GetValue(where));
                if (items.Count == 0 || parsed.GetValue(parallel) < 1)
                {
                    throw new ManifestException(items.Count == 0 ? "No picture meets the conditions." : "--parallel must be at least 1.");
                }

                var settings = new EvalSettings(parsed.GetValue(output)!, parsed.GetValue(where), parsed.GetValue(degrade), analysis.Read(parsed), parsed.GetValue(models), parsed.GetValue(parallel));
                return await Interruption.RunAsync(token => RunAsync(items, settings, token), cancellationToken);
            }
            catch (Exception e) when (e is ManifestException or InvalidDataException)
            {
                await Console.Error.WriteLineAsync(e.Message);
                return CommandLine.BadUsage;
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(IReadOnlyList<EvaluationItem> items, EvalSettings settings, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(settings.Output);
        await using var pipeline = DirectPipeline.Create(settings.Models);
        foreach (var (name, reason) in pipeline.Unavailable)
        {
            await Console.Error.WriteLineAsync($"The {name} localizer is not available: {reason}");
        }

        var evaluator = new Evaluator(
            (path, token) => pipeline.AnalyseAsync(path, settings.Options, token), settings.Degrade is null ? null : Degradation.Parse(settings.Degrade), pipeline.TemporaryFolder, TimeProvider.System);
        var (outcomes, elapsed) = await ProgressLine.RunAsync("Evaluating", items.Count, progress => evaluator.RunAsync(items, settings.Parallel, progress, cancellationToken));
        var metrics = new MetricsDocument
        {
            Datasets = outcomes.GroupBy(o => o.Item.Dataset).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => DatasetMetrics.Of([.. g], MetricsDocument.Rate([.. g], outcomes, elapsed)), StringComparer.Ordinal),
            All = DatasetMetrics.Of(outcomes, MetricsDocument.Rate(outcomes, outcomes, elapsed)),
            Models = pipeline.Models, CalibrationVersion = pipeline.CalibrationVersion, Detectors = settings.Options.Detectors, Where = settings.Where, Degrade = settings.Degrade,
        };
        await File.WriteAllTextAsync(Path.Combine(settings.Output, "metrics.json"), JsonSerializer.Serialize(metrics, Indented), cancellationToken);
        PerImageCsv.Write(Path.Combine(settings.Output, "per-image.csv"), outcomes);
        var (best, worst) = await GalleryAsync(evaluator, outcomes, cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(settings.Output, "report.html"), HtmlReport.Render("Palimpsest evaluation", metrics, outcomes, best, worst), cancellationToken);
        Print(metrics, settings.Output);
        return outcomes.Any(o => o.Error is not null) ? ScanCommand.SomeFailed : 0;
    }

    private static JsonSerializerOptions Indented { get; } = new(PlatformJson.Options) { WriteIndented = true };

    private static async Task<(List<GalleryEntry> Best, List<GalleryEntry> Worst)> GalleryAsync(Evaluator evaluator, IReadOnlyList<ImageOutcome> outcomes, CancellationToken cancellationToken)
    {
        var ranked = outcomes.Where(o => o.Pixel is not null).OrderByDescending(o => o.Pixel!.F1).ThenByDescending(o => o.Pixel!.BestF1).ToList();
        int count = Math.Min(GallerySize, ranked.Count / 2);
        return (await PicturesAsync(ranked.Take(count)), await PicturesAsync(ranked.TakeLast(count).Reverse()));

        async Task<List<GalleryEntry>> PicturesAsync(IEnumerable<ImageOutcome> chosen)
        {
            var entries = new List<GalleryEntry>();
            foreach (var outcome in chosen)
            {
                if (await evaluator.PictureAsync(outcome, GallerySide, cancellationToken) is { } entry)
                {
                    entries.Add(entry);
                }
            }

            return entries;
        }
    }

    private static void Print(MetricsDocument metrics, string folder)
    {
        Console.WriteLine($"{"data set",-14} {"real",5} {"fake",5}  {"px F1",6} {"95 %",13} {"best",6} {"IoU",6} {"px AUC",6}  {"AUC",6} {"AP",6} {"sens",6} {"spec",6} {"ECE",6}  real/unsure/fake/error");
        foreach (var (name, m) in metrics.Datasets.Append(new("all", metrics.All)))
        {
            string interval = m.Pixel.F1Interval is [var low, var high] ? $"{Number(low)}-{Number(high)}" : "-";
            Console.WriteLine(
                $"{name,-14} {m.Counts.Authentic,5} {m.Counts.Forged,5}  {Number(m.Pixel.F1),6} {interval,13} {Number(m.Pixel.BestF1),6} {Number(m.Pixel.Iou),6} {Number(m.Pixel.Auc),6}  "
                + $"{Number(m.Image.Auc),6} {Number(m.Image.AveragePrecision),6} {Number(m.Image.Sensitivity),6} {Number(m.Image.Specificity),6} {Number(m.Image.Ece),6}  "
                + $"{m.Verdicts.LikelyReal}/{m.Verdicts.Uncertain}/{m.Verdicts.LikelyFake}/{m.Verdicts.Error}");
        }

        Console.WriteLine($"{Number(metrics.All.ImagesPerSecond)} images/s, routing accuracy {Number(metrics.All.RoutingAccuracy)}; {folder}/metrics.json, per-image.csv, report.html");
    }

    private static string Number(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "-";

    private sealed record EvalSettings(string Output, string? Where, string? Degrade, AnalysisOptions Options, string? Models, int Parallel);
}
