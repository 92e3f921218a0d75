using System.Text.Json;
using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>Runs the parts that were asked for and writes one JSON document; what was not measured is null, never guessed.</summary>
internal static class Benchmark
{
    private static readonly string[] Always =
    [
        "machine", "model", "raw_ort_images_per_s", "embedded_images_per_s", "distributed_images_per_s", "efficiency_embedded", "efficiency_distributed", "latency_ms", "submit_ms", "cache_hit_ms",
        "noop_jobs_per_s", "batching_gain", "overload_goodput_ratio", "peers",
    ];

    public static async Task<int> RunAsync(IReadOnlyList<string> parts, int pictures, int rounds, double minutes, string? output, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateTempSubdirectory("palimpsest-bench-").FullName;
        File.SetUnixFileMode(folder, (UnixFileMode)Convert.ToInt32("755", 8));
        var result = new JsonObject(Always.Select(key => KeyValuePair.Create(key, (JsonNode?)null)));
        var bench = new Bench(folder, pictures, rounds, minutes, result);
        var failed = new JsonObject();
        try
        {
            result["machine"] = JsonSerializer.SerializeToNode(Machine.Describe(), PlatformJson.Options);
            foreach (string part in parts)
            {
                Bench.Say(part);
                // An interrupted run keeps what it has.
                await WriteAsync(result, output, CancellationToken.None);
                try
                {
                    await Parts.All[part](bench, cancellationToken);
                }
                catch (Exception e) when (e is LocalServerException or InvalidOperationException or HttpRequestException or TimeoutException or IOException or Palimpsest.Local.Client.PalimpsestProblemException
                    || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
                {
                    failed[part] = e.Message;
                    Bench.Say($"  not measured: {e.Message}");
                }
            }

            if (failed.Count > 0)
            {
                result["not_measured"] = failed;
            }

            Console.WriteLine(await WriteAsync(result, output, cancellationToken));
            return failed.Count == 0 ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<string> WriteAsync(JsonObject result, string? output, CancellationToken cancellationToken)
    {
        string json = result.ToJsonString(new JsonSerializerOptions(PlatformJson.Options) { WriteIndented = true });
        if (output is not null)
        {
            await File.WriteAllTextAsync(output, json, cancellationToken);
        }

        return json;
    }
}
