using System.Diagnostics.Metrics;
using Palimpsest.Hosting;

namespace Palimpsest.Preprocessing;

/// <summary>Uploads by outcome.</summary>
internal static class PreprocessingMetrics
{
    private static readonly Counter<long> Images = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.images.decoded", description: "Uploads decoded, by format.");

    private static readonly Counter<long> Rejections = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.images.rejected", description: "Uploads that cannot be analysed, by reason.");

    public static void Decoded(string format) => Images.Add(1, new KeyValuePair<string, object?>("format", format));

    public static void Rejected(string code) => Rejections.Add(1, new KeyValuePair<string, object?>("reason", code));
}
