using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Preprocessing;

namespace Palimpsest.Local.Commands;

/// <summary><c>evidence</c>: the classical methods on pictures, without a server.</summary>
internal static class EvidenceCommand
{
    public static Command Create()
    {
        var paths = new Argument<string[]>("PATH") { Description = "Pictures or folders.", Arity = ArgumentArity.OneOrMore };
        var kinds = new Option<string[]>("--kind") { Description = "Only these kinds; all without it.", AllowMultipleArgumentsPerToken = true };
        var maps = new Option<string?>("--maps") { Description = "Folder for the maps as PNG." };
        var output = new Option<string?>("--json") { Description = "File for one JSON object a line; standard output without it." };
        var command = new Command("evidence", "Looks at pictures by the classical methods: error levels, noise, JPEG traces, copy-move, metadata.") { paths, kinds, maps, output };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string[] given = parsed.GetValue(paths)!, wanted = parsed.GetValue(kinds) is { Length: > 0 } some ? some : [.. EvidenceNames.All.Where(k => k != EvidenceNames.Hash)];
            if (Array.Find(given, p => !File.Exists(p) && !Directory.Exists(p)) is { } missing)
            {
                await Console.Error.WriteLineAsync($"{missing} does not exist.");
                return CommandLine.BadUsage;
            }

            if (Array.Find(wanted, k => !EvidenceNames.All.Contains(k)) is { } unknown)
            {
                await Console.Error.WriteLineAsync($"'{unknown}' is none of {string.Join(", ", EvidenceNames.All)}.");
                return CommandLine.BadUsage;
            }

            await using var lines = parsed.GetValue(output) is { } path ? new StreamWriter(path) : null;
            return await RunAsync(ScanCommand.Files(given, recursive: false), wanted, parsed.GetValue(maps), lines ?? Console.Out, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(List<string> files, string[] kinds, string? maps, TextWriter lines, CancellationToken cancellationToken)
    {
        var platform = PlatformBuilder.Create([], "evidence", new Dictionary<string, string?>
        {
            ["Logging:LogLevel:Default"] = "Error", ["Decoder:Processes"] = "1", ["Decoder:Timeout"] = "00:01:00", ["Decoder:MemoryBytes"] = "2147483648", ["Decoder:ManagedHeapBytes"] = "1073741824",
            ["RABBITMQ_URL"] = "", ["REDIS_URL"] = "", ["POSTGRES_URL"] = "",
        });
        platform.AddDecoding();
        await using var services = platform.Services.BuildServiceProvider();
        var pool = services.GetRequiredService<DecoderPool>();
        string map = Path.GetTempFileName();
        bool failed = false;
        if (maps is not null)
        {
            Directory.CreateDirectory(maps);
        }

        foreach (string file in files)
        {
            foreach (string kind in kinds)
            {
                long start = Stopwatch.GetTimestamp();
                var (answer, refusal) = await pool.EvidenceAsync(Path.GetFullPath(file), map, kind, cancellationToken);
                double milliseconds = Math.Round(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 1);
                failed |= answer is null;
                await lines.WriteLineAsync(JsonSerializer.Serialize(
                    new { File = file, Name = kind, State = answer?.State ?? EvidenceStates.Error, answer?.Finding, Summary = answer?.Summary ?? refusal!.Detail, answer?.Facts, answer?.Regions, answer?.Pairs, DurationMs = milliseconds },
                    PlatformJson.Options));
                if (maps is not null && answer is { HasMap: true })
                {
                    await File.WriteAllBytesAsync(Path.Combine(maps, $"{Path.GetFileNameWithoutExtension(file)}-{kind}.png"), await RenderAsync(map, kind, answer.Pairs, cancellationToken), cancellationToken);
                }
            }
        }

        File.Delete(map);
        return failed ? ScanCommand.SomeFailed : 0;
    }

    /// <summary>In cells, a pixel each: the picture's orientation is not applied.</summary>
    private static async Task<byte[]> RenderAsync(string path, string kind, IReadOnlyList<EvidencePair> pairs, CancellationToken cancellationToken)
    {
        var levels = ProbabilityMap.FromBytes(await File.ReadAllBytesAsync(path, cancellationToken));
        int width = levels.Width * ProbabilityMap.Cell, height = levels.Height * ProbabilityMap.Cell;
        var geometry = new ImageGeometry { StoredWidth = width, StoredHeight = height, AnalysedWidth = width, AnalysedHeight = height, Orientation = 1 };
        return EvidenceRenderer.RenderPng(levels, geometry, EvidenceCatalogue.Of(kind).Legend!, pairs, maxSide: null);
    }
}
