using System.Diagnostics.Metrics;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoding;

/// <summary>What operators watch of the decoders.</summary>
internal static class DecoderMetrics
{
    private static readonly Counter<long> Deaths = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.decoder.deaths", description: "Decoder processes that crashed on a picture or were killed for taking too long.");

    private static readonly Histogram<double> Duration = PlatformTelemetry.Meter.CreateHistogram<double>(
        "palimpsest.decoder.duration", "s", "Time a decoder process worked on one picture.");

    /// <summary>A process has answered.</summary>
    /// <param name="request">What it was asked for.</param>
    /// <param name="time">From question to answer, waiting for a free process not counted.</param>
    public static void Answered(DecoderRequest request, TimeSpan time) =>
        Duration.Record(time.TotalSeconds, new KeyValuePair<string, object?>("work", request switch { PrepareRequest => "prepare", EvidenceRequest => "evidence", _ => "render" }));

    /// <summary>A process is gone.</summary>
    /// <param name="reason">crash or timeout.</param>
    public static void Died(string reason) => Deaths.Add(1, new KeyValuePair<string, object?>("reason", reason));
}
