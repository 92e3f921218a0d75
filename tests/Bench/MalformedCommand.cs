using System.CommandLine;
using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Palimpsest.Decoding;
using Palimpsest.Local.Client;
using Palimpsest.Local.Servers;
using Palimpsest.Malformed;

namespace Palimpsest.Bench;

/// <summary><c>malformed</c>: a folder of broken files, or pictures of our own broken by a seeded mutator, through a running gateway, one of its own, or the decoders alone.</summary>
internal static class MalformedCommand
{
    private const string Key = "malformed-key-0123456789";

    private static readonly Dictionary<string, string?> Settings = new(StringComparer.Ordinal) { ["PALIMPSEST_API_KEY"] = Key, ["Limits:RequestsPerSecond"] = "100000", ["Limits:Burst"] = "100000" };


    public static Command Create()
    {
        var paths = new Argument<string[]>("PATH") { Description = "Files or folders; may be left out with --mutations.", Arity = ArgumentArity.ZeroOrMore };
        var mutations = new Option<int>("--mutations") { Description = "So many broken pictures of our own as well." };
        var seed = new Option<int>("--seed") { Description = "Of the mutations.", DefaultValueFactory = _ => 1 };
        var server = new Option<string?>("--server") { Description = "A running gateway; without it one is started in a process of its own." };
        var key = new Option<string>("--key") { Description = "API key for --server.", DefaultValueFactory = _ => Key };
        var direct = new Option<bool>("--decoder-only") { Description = "Only decode, without server and networks." };
        var parallel = new Option<int>("--parallel") { Description = "Pictures at a time.", DefaultValueFactory = _ => 4 };
        var csv = new Option<string?>("--csv") { Description = "Writes name and answer of each file." };
        var keep = new Option<string?>("--keep") { Description = "Writes the mutations into this folder." };
        var command = new Command("malformed", "Broken pictures: no process but a decoder child dies, no 5xx, no hang.") { paths, mutations, seed, server, key, direct, parallel, csv, keep };
        command.SetAction(async (parsed, token) =>
        {
            var pictures = Files(parsed.GetValue(paths) ?? []).Concat(Mutations(parsed.GetValue(mutations), parsed.GetValue(seed), parsed.GetValue(keep)));
            var answers = new List<string>();
            void Answered(string name, string? code)
            {
                lock (answers)
                {
                    answers.Add($"{name}\t{code ?? "ok"}");
                }
            }

            var summary = new MalformedSummary();
            await (parsed.GetValue(direct) ? DecodeAsync(pictures, summary, Answered, parsed.GetValue(parallel), token)
                : ServeAsync(pictures, summary, Answered, parsed.GetValue(server), parsed.GetValue(key)!, parsed.GetValue(parallel), token));
            if (parsed.GetValue(csv) is { } file)
            {
                await File.WriteAllLinesAsync(file, answers.Order(StringComparer.Ordinal), token);
            }

            Console.WriteLine(summary);
            Console.WriteLine(summary.Details());
            return summary is { Deaths: 0, ServerErrors: 0 } && summary.Slowest < TimeSpan.FromSeconds(10) ? 0 : 1;
        });
        return command;
    }

    private static IEnumerable<(string, Func<byte[]>)> Files(IEnumerable<string> paths) => paths
        .SelectMany(p => Directory.Exists(p) ? Directory.EnumerateFiles(p, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal) : (IEnumerable<string>)[p])
        .Select(p => (p, (Func<byte[]>)(() => File.ReadAllBytes(p))));

    private static IEnumerable<(string, Func<byte[]>)> Mutations(int count, int seed, string? keep) => count == 0 ? [] : SeedPictures.Broken(seed).Take(count).Select((bytes, i) =>
    {
        string name = $"mutation-{seed}-{i:00000}";
        if (keep is not null)
        {
            File.WriteAllBytes(Path.Combine(Directory.CreateDirectory(keep).FullName, name), bytes);
        }

        return (name, (Func<byte[]>)(() => bytes));
    });

    private static async Task ServeAsync(
        IEnumerable<(string, Func<byte[]>)> pictures, MalformedSummary summary, Action<string, string?> answered, string? server, string key, int parallel, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-malformed-").FullName;
        try
        {
            var (address, process) = server is null ? await LocalPlatform.StartAsync(folder, Settings, cancellationToken) : (new Uri(server), (ChildProcess?)null);
            await using var started = process;
            await using var memory = new TreeMemory(() => process is { HasExited: false } ? process.Id : null);
            using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromMinutes(2) };
            await new MalformedDrive(new PalimpsestClient(http, key), summary) { Answered = answered }.RunAsync(pictures, parallel, cancellationToken);
            summary.Deaths = process is { HasExited: true } ? 1 : 0;
            summary.PeakBytes = memory.PeakBytes;
            summary.DecoderDeaths = summary.Deaths == 0 ? await CounterAsync(http, "palimpsest_decoder_deaths_total", cancellationToken) : double.NaN;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task DecodeAsync(
        IEnumerable<(string, Func<byte[]>)> pictures, MalformedSummary summary, Action<string, string?> answered, int parallel, CancellationToken cancellationToken)
    {
        await using var pool = new DecoderPool(Options.Create(new DecoderOptions { Processes = parallel }), NullLogger<DecoderPool>.Instance);
        await using var memory = new TreeMemory(() => Environment.ProcessId);
        string folder = Directory.CreateTempSubdirectory("palimpsest-malformed-").FullName;
        await Parallel.ForEachAsync(pictures, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = cancellationToken }, async (picture, token) =>
        {
            string upload = Path.Combine(folder, Guid.NewGuid().ToString("n")), output = upload + ".out";
            await File.WriteAllBytesAsync(upload, picture.Item2(), token);
            long start = Stopwatch.GetTimestamp();
            var (_, refusal) = await pool.PrepareAsync(upload, output, token);
            summary.Add(refusal?.Code, serverError: false, Stopwatch.GetElapsedTime(start));
            answered(picture.Item1, refusal?.Code);
            File.Delete(upload);
            File.Delete(output);
        });
        summary.PeakBytes = memory.PeakBytes;
        summary.DecoderDeaths = summary.Codes.Where(c => c.Key is Contracts.ErrorCodes.DecoderCrashed or Contracts.ErrorCodes.DecodeTimeout).Sum(c => c.Value);
        Directory.Delete(folder, recursive: true);
    }

    private static async Task<double> CounterAsync(HttpClient http, string name, CancellationToken cancellationToken)
    {
        string text = await http.GetStringAsync("/metrics", cancellationToken);
        return text.Split('\n').Where(l => l.StartsWith(name, StringComparison.Ordinal)).Sum(l => double.Parse(l.AsSpan(l.LastIndexOf(' ') + 1), System.Globalization.CultureInfo.InvariantCulture));
    }
}
