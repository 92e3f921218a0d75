using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Reporting;

namespace Palimpsest.Local.Commands;

/// <summary><c>evidence</c>: the classical methods on pictures, without a server.</summary>
internal static class EvidenceCommand
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("PATH") { Description = "Pictures or folders.", Arity = ArgumentArity.OneOrMore };
        var kinds = new Option<string[]>("--kind") { Description = $"Only these kinds; without it all but {EvidenceNames.Hash}.", AllowMultipleArgumentsPerToken = true };
        kinds.AcceptOnlyFromAmong([.. EvidenceNames.All]);
        var maps = new Option<string?>("--maps") { Description = $"Folder for the maps as PNG. A map's pixel is the picture's pixel at the same place, as viewers show it; its level is that of a cell of {ProbabilityMap.Cell}x{ProbabilityMap.Cell}." };
        var output = new Option<string?>("--json") { Description = "File for one JSON object a line; standard output without it." };
        var command = new Command("evidence", "Looks at pictures by the classical methods: error levels, noise, JPEG traces, copy-move, metadata. Exit 3: some had errors; 130: interrupted.") { paths, kinds, maps, output };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] given = parsed.GetValue(paths)!, wanted = parsed.GetValue(kinds) is { Length: > 0 } some ? some : [.. EvidenceNames.All.Where(k => k != EvidenceNames.Hash)];
            if (Array.Find(given, p => !File.Exists(p) && !Directory.Exists(p)) is { } missing)
            {
                await Console.Error.WriteLineAsync($"{missing} does not exist.");
                return CommandLine.BadUsage;
            }

            var files = ScanCommand.Files(given, recursive: false);
            string? json = parsed.GetValue(output), folder = parsed.GetValue(maps);
            var pictures = files.Zip(OutputFiles.Stems(files), (file, stem) => new Picture(file, folder is null ? null : Path.Combine(folder, stem))).ToList();
            if (OutputFiles.Clash(files, [("--json", json), .. pictures.SelectMany(p => wanted, (p, kind) => ("--maps", p.MapPath(kind)))]) is { } clash)
            {
                await Console.Error.WriteLineAsync(clash);
                return CommandLine.BadUsage;
            }

            if (json is not null)
            {
                ScanOutput.EnsureWritable(json);
            }

            if (folder is not null)
            {
                Directory.CreateDirectory(folder);
            }

            await using var lines = json is null ? null : new StreamWriter(json) { AutoFlush = true };
            return await Interruption.RunAsync(token => RunAsync(pictures, wanted, lines ?? Console.Out, token), cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(IReadOnlyList<Picture> pictures, string[] kinds, TextWriter lines, CancellationToken cancellationToken)
    {
        var platform = PlatformBuilder.Create([], "evidence", new Dictionary<string, string?> { ["Logging:LogLevel:Default"] = "Error", ["RABBITMQ_URL"] = "", ["REDIS_URL"] = "", ["POSTGRES_URL"] = "" });
        platform.AddOptions<DecoderOptions>("Decoder");
        platform.AddOptions<EvidenceOptions>(EvidenceOptions.Section);
        platform.Services.AddSingleton(s => s.GetRequiredService<IOptions<EvidenceOptions>>().Value).AddSingleton<EvidenceDecoders>();
        await using var services = platform.Services.BuildServiceProvider();
        var pool = services.GetRequiredService<EvidenceDecoders>().Pool;
        string temporary = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        bool failed = false;
        try
        {
            foreach (var picture in pictures)
            {
                foreach (string kind in kinds)
                {
                    var line = await LookAsync(pool, picture, kind, Path.Combine(temporary, "map"), cancellationToken);
                    failed |= line.State == EvidenceStates.Error;
                    await lines.WriteLineAsync(JsonSerializer.Serialize(line, PlatformJson.Options));
                    if (line.Name is null)
                    {
                        break;
                    }
                }
            }
        }
        finally
        {
            Directory.Delete(temporary, recursive: true);
        }

        return failed ? ScanCommand.SomeFailed : 0;
    }

    /// <summary>What one kind says; without a name when no kind says anything of this file.</summary>
    private static async Task<Line> LookAsync(DecoderPool pool, Picture picture, string kind, string scratch, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            var (answer, refusal) = await pool.EvidenceAsync(Path.GetFullPath(picture.File), scratch, kind, cancellationToken);
            double duration = Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 1);
            if (answer is null)
            {
                bool whole = refusal!.Code is ErrorCodes.ImageEmpty or ErrorCodes.UnsupportedFormat or ErrorCodes.TooManyPixels or ErrorCodes.ImageTooSmall;
                return new Line { File = picture.File, Name = whole ? null : kind, State = EvidenceStates.Error, Summary = refusal.Detail, DurationMs = duration };
            }

            var line = new Line
            {
                File = picture.File, Name = kind, State = answer.State, Finding = kind == EvidenceNames.Hash ? null : answer.Finding, Summary = answer.Summary, Facts = answer.Facts, Regions = answer.Regions,
                Pairs = answer.Pairs, Hash = answer.Hash, DurationMs = duration,
            };
            return answer.HasMap && picture.MapPath(kind) is { } path ? await WithMapAsync(line, answer.Geometry!, scratch, path, cancellationToken) : line;
        }
        catch (IOException e)
        {
            return new Line { File = picture.File, State = EvidenceStates.Error, Summary = e.Message };
        }
    }

    private static async Task<Line> WithMapAsync(Line line, ImageGeometry geometry, string scratch, string path, CancellationToken cancellationToken)
    {
        try
        {
            var levels = ProbabilityMap.FromBytes(await File.ReadAllBytesAsync(scratch, cancellationToken));
            await OutputFiles.WriteAsync(path, EvidenceRenderer.RenderPng(levels, geometry, EvidenceCatalogue.Of(line.Name!).Legend!, line.Pairs!, maxSide: null), cancellationToken);
            return line;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return line with { State = EvidenceStates.Error, Summary = $"The map could not be written: {e.Message}" };
        }
    }

    private sealed record Picture(string File, string? MapStem)
    {
        public string? MapPath(string kind) => MapStem is null ? null : $"{MapStem}-{kind}.png";
    }

    private sealed record Line
    {
        public required string File { get; init; }

        /// <summary>The kind; null when it is the file that cannot be looked at.</summary>
        public string? Name { get; init; }

        public required string State { get; init; }

        public string? Finding { get; init; }

        public required string Summary { get; init; }

        public IReadOnlyList<EvidenceFact>? Facts { get; init; }

        public IReadOnlyList<PixelBox>? Regions { get; init; }

        public IReadOnlyList<EvidencePair>? Pairs { get; init; }

        /// <summary>Perceptual hash, 16 hex digits.</summary>
        public string? Hash { get; init; }

        public double? DurationMs { get; init; }
    }
}
