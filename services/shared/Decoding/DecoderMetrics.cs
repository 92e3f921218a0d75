using System.Diagnostics.Metrics;
using Palimpsest.Hosting;

namespace Palimpsest.Decoding;

/// <summary>What operators watch of the decoders.</summary>
internal static class DecoderMetrics
{
    private static readonly Counter<long> Deaths = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.decoder.deaths", description: "Decoder processes that crashed on a picture or were killed for taking too long.");

    /// <summary>A process is gone.</summary>
    /// <param name="reason">crash or timeout.</param>
    public static void Died(string reason) => Deaths.Add(1, new KeyValuePair<string, object?>("reason", reason));
}
