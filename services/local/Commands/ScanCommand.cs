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
        var command = new Command("scan", "Analyses pictures or folders and writes a CSV; no server. Exit 3: some had errors; 130: interrupted, what was finished is written.") { paths, output, json, masks, analysis.Detectors, analysis.NoFaceCrop, models, recursive, parallel };
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
            string?[] maskPaths = [.. OutputFiles.Stems(files).Select(stem => settings.Masks is { } to ? Path.Combine(to, stem + ".png") : null)];
            if (OutputFiles.Clash(files, [("--out", settings.Output), ("--json", settings.Json), .. maskPaths.Select(path => ("--masks", path))]) is { } clash)
            {
                await Console.Error.WriteLineAsync(clash);
                return CommandLine.BadUsage;
            }

            return await Interruption.RunAsync(token => RunAsync(files, maskPaths, settings, token), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(List<string> files, string?[] maskPaths, ScanSettings settings, CancellationToken cancellationToken)
    {
        // A result that cannot be written should not cost the analysis of a thousand pictures first.
        ScanOutput.EnsureWritable(settings.Output);
        if (settings.Json is not null)
        {
            ScanOutput.EnsureWritable(settings.Json);
        }

        if (settings.Masks is not null)
        {
            Directory.CreateDirectory(settings.Masks);
        }

        await using var pipeline = DirectPipeline.Create(settings.Models);
        foreach (var (name, reason) in pipeline.Unavailable)
        {
            await Console.Error.WriteLineAsync($"The {name} localizer is not available: {reason}");
        }

        var results = await ProgressLine.RunAsync("Scanning", files.Count, progress => AnalyseAsync(pipeline, files, maskPaths, settings, progress, cancellationToken));
        DirectResult[] done = [.. results.OfType<DirectResult>()];
        if (settings.Json is not null)
        {
            ScanOutput.WriteJson(settings.Json, done);
        }

        if (done.Length < files.Count)
        {
            await Console.Error.WriteLineAsync($"Interrupted: {done.Length} of {files.Count} pictures are in {settings.Output}.");
            return Interruption.ExitCode;
        }

        int failed = done.Count(r => r.Error is not null);
        Console.WriteLine(
            $"{done.Length} pictures: {done.Count(r => r.Result?.Verdict == Verdicts.LikelyFake)} likely fake, {done.Count(r => r.Result?.Verdict == Verdicts.Uncertain)} uncertain, "
            + $"{done.Count(r => r.Result?.Verdict == Verdicts.LikelyReal)} likely real, {failed} errors; {settings.Output} written");
        return failed > 0 ? SomeFailed : 0;
    }

    /// <summary>Writes rows and masks on the way. After an interruption null stands for pictures that were not finished.</summary>
    private static async Task<DirectResult?[]> AnalyseAsync(
        DirectPipeline pipeline, List<string> files, string?[] maskPaths, ScanSettings settings, Action<int> progress, CancellationToken cancellationToken)
    {
        var done = new DirectResult?[files.Count];
        int count = 0;
        using var csv = new ScanCsv(settings.Output);
        try
        {
            await Parallel.ForAsync(0, files.Count, new ParallelOptions { MaxDegreeOfParallelism = settings.Parallel, CancellationToken = cancellationToken }, async (i, token) =>
            {
                var result = await pipeline.AnalyseAsync(files[i], settings.Options, token);
                if (result.Error is not null)
                {
                    // A terminal's Ctrl-C ends the decoders, too, which is no picture's fault.
                    token.ThrowIfCancellationRequested();
                }

                if (maskPaths[i] is { } path)
                {
                    result = await WithMaskAsync(result, path, token);
                }

                // A long scan must not keep all maps.
                done[i] = result with { Map = null };
                csv.Add(i, done[i]!);
                progress(Interlocked.Increment(ref count));
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // What is done stays.
        }

        return done;
    }

    /// <summary>Writes the mask; the result, or the same with the reason why there is none.</summary>
    private static async Task<DirectResult> WithMaskAsync(DirectResult result, string path, CancellationToken cancellationToken)
    {
        if (result is not { Map: { } map, Geometry: { } geometry })
        {
            return result;
        }

        try
        {
            await OutputFiles.WriteAsync(path, MaskRenderer.RenderPng(map, geometry), cancellationToken);
            return result;
        }
        catch (Exception e) when (DirectPipeline.IsOfPicture(e))
        {
            return result with { ErrorCode = ErrorCodes.Unavailable, Error = $"The mask could not be written: {e.Message}" };
        }
    }

    /// <summary>Named files whatever their extension; of folders, everything that could be meant as a picture.</summary>
    internal static List<string> Files(IEnumerable<string> paths, bool recursive) =>
        [.. paths.SelectMany<string, string>(path => File.Exists(path)
            ? [path]
            : Directory.EnumerateFiles(path, "*", recursive ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
                .Where(f => ScanOutput.PictureExtensions.Contains(Path.GetExtension(f).ToLowerInvariant())).Order(StringComparer.Ordinal))];

    private sealed record ScanSettings(string Output, string? Json, string? Masks, AnalysisOptions Options, string? Models, int Parallel);
}
