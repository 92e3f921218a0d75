using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Tracing;
using System.Net;
using System.Text.Json.Nodes;
using Palimpsest.Local;
using Palimpsest.Local.Client;
using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>
/// Where the time of one picture on an idle platform goes, from the platform's own spans, and what it allocates. The platform runs in this process, so that both can be heard; a webhook
/// receiver listens on loopback.
/// </summary>
internal static class Stages
{
    private const int Count = 200;

    /// <summary>Stage of the report → the span that is it.</summary>
    private static readonly (string Stage, string Span)[] Spans =
    [
        ("intake", "store"), ("outbox", "outbox send"), ("decode", "decode"), ("faces", "faces"), ("route", "route"), ("batch_wait", "batch.wait"), ("onnx", "onnx.run"), ("fuse", "fuse"), ("report", "report"),
        ("webhook", "webhook"),
    ];

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        using var receiver = new Receiver();
        string folder = bench.NewFolder("stages");
        int port = ChildProcess.FreePort();
        await using var app = Embedded.Build(Running.Settings(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["PALIMPSEST_DATA"] = folder, ["Urls"] = $"http://localhost:{port}", ["Logging:LogLevel:Default"] = "Error", ["PALIMPSEST_ALLOW_NETWORKS"] = "127.0.0.0/8,::1/128",
        }));
        await app.StartAsync(cancellationToken);
        using var http = new HttpClient { BaseAddress = new Uri($"http://localhost:{port}"), Timeout = TimeSpan.FromMinutes(2) };
        var client = new PalimpsestClient(http, Running.Key);
        var load = new Load(client, TimeProvider.System);
        await load.SaturateAsync(Pictures.Tiny, 1500, null, cancellationToken);
        await load.SingleAsync(Pictures.Small, 10, cancellationToken);

        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener { ShouldListenTo = source => source.Name == "Palimpsest", Sample = (ref _) => ActivitySamplingResult.AllData, ActivityStopped = spans.Enqueue };
        ActivitySource.AddActivityListener(listener);
        var stages = Spans.ToDictionary(s => s.Stage, _ => new List<double>(), StringComparer.Ordinal);
        var (totals, between) = (new List<double>(), new List<double>());
        for (int i = 0; i < Count; i++)
        {
            byte[] picture = Pictures.Small.Next();
            spans.Clear();
            var delivered = receiver.NextAsync();
            var startedAt = DateTime.UtcNow;
            long start = Stopwatch.GetTimestamp();
            await client.SubmitAsync(new MemoryStream(picture), "p.jpg", new SubmitOptions { WaitSeconds = 60, CallbackUrl = receiver.Address }, cancellationToken);
            totals.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            await delivered.WaitAsync(TimeSpan.FromSeconds(30), cancellationToken);
            await Task.Delay(100, cancellationToken);
            var heard = spans.ToArray();
            foreach (var (stage, span) in Spans)
            {
                stages[stage].Add(heard.Where(s => s.OperationName == span).Sum(s => s.Duration.TotalMilliseconds));
            }

            between.Add(totals[^1] - Covered([.. heard.Where(s => s.OperationName != "webhook")], startedAt, totals[^1]));
        }

        listener.Dispose();
        using var allocations = new Allocations();
        const int Pieces = 60;
        await load.FinishedAsync(Pictures.Megapixel.Next(), cancellationToken);
        byte[][] pictures = Pictures.Megapixel.Next(Pieces);
        await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken); // events come late: of making the pictures, too
        allocations.Reset();
        long before = GC.GetTotalAllocatedBytes();
        int collections = GC.CollectionCount(2);
        foreach (byte[] picture in pictures)
        {
            await load.FinishedAsync(picture, cancellationToken);
        }

        await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
        bench.Result["stages_ms"] = new JsonObject(stages.Select(s => KeyValuePair.Create(s.Key, (JsonNode?)Bench.Times(Percentiles.Of(s.Value))))
            .Append(KeyValuePair.Create("queues_and_everything_between", (JsonNode?)Bench.Times(Percentiles.Of(between))))
            .Append(KeyValuePair.Create("total_without_webhook", (JsonNode?)Bench.Times(Percentiles.Of(totals)))));
        bench.Result["allocations"] = new JsonObject
        {
            ["pictures"] = Throughput.Size(Pictures.Megapixel),
            ["bytes_per_picture"] = (GC.GetTotalAllocatedBytes() - before) / Pieces,
            ["large_object_bytes_per_picture"] = allocations.Large / Pieces,
            ["gen2_collections_per_100_pictures"] = Bench.Number((GC.CollectionCount(2) - collections) * 100.0 / Pieces),
        };
        foreach (var (stage, times) in stages)
        {
            Bench.Say($"  {stage}: p50 {Percentiles.Of(times).P50} ms");
        }

        Bench.Say($"  between: p50 {Percentiles.Of(between).P50} ms of {Percentiles.Of(totals).P50} ms; {allocations.Large / Pieces / 1024} kB of large objects a 1-MP picture");
        await app.StopAsync(cancellationToken);
    }

    /// <summary>Milliseconds within which at least one span ran.</summary>
    private static double Covered(IReadOnlyList<Activity> spans, DateTime from, double within)
    {
        double covered = 0, end = 0;
        foreach (var span in spans.Select(s => (Start: (s.StartTimeUtc - from).TotalMilliseconds, s.Duration.TotalMilliseconds)).OrderBy(s => s.Start))
        {
            double start = Math.Clamp(span.Start, end, within), stop = Math.Clamp(span.Start + span.TotalMilliseconds, start, within);
            covered += stop - start;
            end = Math.Max(end, stop);
        }

        return covered;
    }

    /// <summary>Bytes of large objects, in steps of the runtime's 100 kB samples.</summary>
    private sealed class Allocations : EventListener
    {
        private long large;

        public long Large => Interlocked.Read(ref large);

        public void Reset() => Interlocked.Exchange(ref large, 0);

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name == "Microsoft-Windows-DotNETRuntime")
            {
                EnableEvents(eventSource, EventLevel.Verbose, (EventKeywords)1);
            }
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventName?.StartsWith("GCAllocationTick", StringComparison.Ordinal) == true && eventData.Payload is { Count: > 3 } values && Convert.ToUInt32(values[1], null) == 1)
            {
                Interlocked.Add(ref large, Convert.ToInt64(values[3], null));
            }
        }
    }

    /// <summary>Takes webhooks.</summary>
    private sealed class Receiver : IDisposable
    {
        private readonly HttpListener listener = new();
        private TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Receiver()
        {
            Address = new Uri($"http://127.0.0.1:{ChildProcess.FreePort()}/");
            listener.Prefixes.Add(Address.ToString());
            listener.Start();
            _ = ServeAsync();
        }

        public Uri Address { get; }

        public Task NextAsync() => (next = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        public void Dispose() => ((IDisposable)listener).Dispose();

        private async Task ServeAsync()
        {
            while (listener.IsListening)
            {
                try
                {
                    var context = await listener.GetContextAsync();
                    await context.Request.InputStream.CopyToAsync(Stream.Null);
                    context.Response.StatusCode = 204;
                    context.Response.Close();
                    next.TrySetResult();
                }
                catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
                {
                    return;
                }
            }
        }
    }
}
