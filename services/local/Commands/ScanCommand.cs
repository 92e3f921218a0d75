using System.CommandLine;
using Palimpsest.Contracts;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Local.Direct;

namespace Palimpsest.Local.Commands;

/// <summary><c>scan</c>: pictures and folders without a server.</summary>
internal static class ScanCommand
{
    /// <summary>Some pictures could not be analysed.</summary>
    public const int SomeFailed = 3;

    public static Command Create()
    {
        var paths = new Argument<string[]>("PATH") { Description = "Pictures or folders.", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string>("--out") { Description = "CSV to write.", DefaultValueFactory = _ => "results.csv" };
        var json = new Option<string?>("--json") { Description = "JSON to write, everything that is known." };
        var masks = new Option<string?>("--masks") { Description = "Folder for mask PNGs of the pictures' sizes." };
        var recursive = new Option<bool>("--recursive") { Description = "Folders within folders too." };
        var parallel = new Option<int>("--parallel") { Description = "Pictures at a time.", DefaultValueFactory = _ => Environment.ProcessorCount };
        var models = new Option<string?>("--models") { Description = "Models folder." };
        var analysis = new AnalysisOptionsBinding();
        var command = new Command("scan", "Analyses pictures or folders and writes a CSV; no server.") { paths, output, json, masks, analysis.Detectors, analysis.NoFaceCrop, models, recursive, parallel };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] given = parsed.GetValue(paths)!;
            if (Array.Find(given, p => !File.Exists(p) && !Directory.Exists(p)) is { } missing)
            {
                await Console.Error.WriteLineAsync($"{missing} does not exist.");
                return CommandLine.BadUsage;
            }

            if (parsed.GetValue(models) is { } folder && !Directory.Exists(folder))
            {
                await Console.Error.WriteLineAsync($"{folder} does not exist: --models names a folder of models.");
                return CommandLine.BadUsage;
            }

            if (parsed.GetValue(parallel) < 1)
            {
                await Console.Error.WriteLineAsync("--parallel must be at least 1.");
                return CommandLine.BadUsage;
            }

            var files = Files(given, parsed.GetValue(recursive));
            if (files.Count == 0)
            {
                await Console.Error.WriteLineAsync($"There are no pictures in {string.Join(", ", given)}{(parsed.GetValue(recursive) ? "" : "; --recursive looks into the folders within, too")}.");
            }

            var settings = new ScanSettings(parsed.GetValue(output)!, parsed.GetValue(json), parsed.GetValue(masks), analysis.Read(parsed), parsed.GetValue(models), parsed.GetValue(parallel));
            return await RunAsync(files, settings, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(List<string> files, ScanSettings settings, CancellationToken cancellationToken)
    {
        // A result that cannot be written should not cost the analysis of a thousand pictures first.
        ScanOutput.EnsureWritable(settings.Output);
        await using var pipeline = DirectPipeline.Create(settings.Models);
        foreach (var (name, reason) in pipeline.Unavailable)
        {
            await Console.Error.WriteLineAsync($"The {name} localizer is not available: {reason}");
        }

        if (settings.Masks is not null)
        {
            Directory.CreateDirectory(settings.Masks);
        }

        string[] maskNames = MaskNames(files);
        var results = await ProgressLine.RunAsync("Scanning", files.Count, async progress =>
        {
            var done = new DirectResult[files.Count];
            int count = 0;
            await Parallel.ForAsync(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = settings.Parallel, CancellationToken = cancellationToken }, async (i, token) =>
            {
                var result = await pipeline.AnalyseAsync(files[i], settings.Options, token);
                if (settings.Masks is not null && result is { Map: { } map, Geometry: { } geometry })
                {
                    await using var png = File.Create(Path.Combine(settings.Masks, maskNames[i]));
                    MaskRenderer.RenderPng(map, geometry, png);
                }

                // The map is on disk now; a long scan must not keep them all.
                done[i] = result with { Map = null };
                progress(Interlocked.Increment(ref count));
            });
            return done;
        });
        ScanOutput.WriteCsv(settings.Output, results);
        if (settings.Json is not null)
        {
            ScanOutput.WriteJson(settings.Json, results);
        }

        int failed = results.Count(r => r.Error is not null);
        Console.WriteLine(
            $"{results.Length} pictures: {results.Count(r => r.Result?.Verdict == Verdicts.LikelyFake)} likely fake, {results.Count(r => r.Result?.Verdict == Verdicts.Uncertain)} uncertain, "
            + $"{results.Count(r => r.Result?.Verdict == Verdicts.LikelyReal)} likely real, {failed} errors; {settings.Output} written");
        return failed > 0 ? SomeFailed : 0;
    }

    /// <summary>Named files whatever their extension; of folders, everything that could be meant as a picture.</summary>
    internal static List<string> Files(IEnumerable<string> paths, bool recursive) =>
        [.. paths.SelectMany<string, string>(path => File.Exists(path)
            ? [path]
            : Directory.EnumerateFiles(path, "*", recursive ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
                .Where(f => ScanOutput.PictureExtensions.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal))];

    /// <summary>The pictures' names with .png; a number where two would be the same.</summary>
    private static string[] MaskNames(List<string> files)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        return [.. files.Select(file =>
        {
            string stem = Path.GetFileNameWithoutExtension(file), name = stem + ".png";
            for (int i = 2; !used.Add(name); i++)
            {
                name = $"{stem}-{i}.png";
            }

            return name;
        })];
    }

    private sealed record ScanSettings(string Output, string? Json, string? Masks, AnalysisOptions Options, string? Models, int Parallel);
}
