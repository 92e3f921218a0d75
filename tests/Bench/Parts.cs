using System.Text.Json.Nodes;

namespace Palimpsest.Bench;

/// <summary>What the measurements share.</summary>
/// <param name="Folder">Scratch folder, removed at the end.</param>
/// <param name="Pictures">Pictures of each turn of a comparison, at least.</param>
/// <param name="Rounds">How often the sides of a comparison take turns.</param>
/// <param name="Minutes">Of the soak.</param>
/// <param name="Result">The document that is written.</param>
internal sealed record Bench(string Folder, int Pictures, int Rounds, double Minutes, JsonObject Result)
{
    private int folders;

    public string NewFolder(string name)
    {
        string path = Path.Combine(Folder, $"{name}-{++folders}");
        Directory.CreateDirectory(path);
        return path;
    }

    public static void Say(string line) => Console.Error.WriteLine(line);

    /// <summary>A number as JSON, rounded for reading; null when it could not be measured.</summary>
    public static JsonNode? Number(double? value, int digits = 2) => value is { } v && double.IsFinite(v) ? JsonValue.Create(Math.Round(v, digits)) : null;

    /// <summary>Bounds of the median of ratios, as an array; null of too few.</summary>
    public static JsonArray? Bounds(IEnumerable<double> ratios) => Percentiles.MedianBounds(ratios) is var (low, high) ? [Number(low, 3), Number(high, 3)] : null;

    public static JsonObject Times(Percentiles p) => new() { ["p50"] = Number(p.P50), ["p95"] = Number(p.P95), ["p99"] = Number(p.P99) };
}

/// <summary>The parts by their names on the command line.</summary>
internal static class Parts
{
    /// <summary>In the order they run.</summary>
    public static IReadOnlyDictionary<string, Func<Bench, CancellationToken, Task>> All { get; } = new Dictionary<string, Func<Bench, CancellationToken, Task>>(StringComparer.Ordinal)
    {
        ["throughput"] = (bench, token) => Throughput.RunAsync(bench, distributed: false, token),
        ["distributed"] = (bench, token) => Throughput.RunAsync(bench, distributed: true, token),
        ["reference"] = Throughput.ReferenceAsync,
        ["latency"] = Latency.RunAsync,
        ["stages"] = Stages.RunAsync,
        ["submit"] = Submitting.RunAsync,
        ["noop"] = Noop.RunAsync,
        ["batching"] = Throughput.BatchingAsync,
        ["overload"] = Overload.RunAsync,
        ["queue"] = Growth.QueueAsync,
        ["kept"] = Kept.RunAsync,
        ["pixels"] = Growth.PixelsAsync,
        ["memory"] = Growth.MemoryAsync,
        ["peers"] = Peers.RunAsync,
        ["soak"] = Growth.SoakAsync,
    };

    /// <summary>Half an hour, only when asked for.</summary>
    public const string OnRequest = "soak";
}
