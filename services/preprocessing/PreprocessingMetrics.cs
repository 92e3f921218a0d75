using System.Diagnostics.Metrics;
using Palimpsest.Hosting;

namespace Palimpsest.Preprocessing;

/// <summary>Uploads by outcome, and how long they were held back.</summary>
internal static class PreprocessingMetrics
{
    private static readonly Counter<long> Images = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.images.decoded", description: "Uploads decoded, by format.");

    private static readonly Counter<long> Rejections = PlatformTelemetry.Meter.CreateCounter<long>(
        "palimpsest.images.rejected", description: "Uploads that cannot be analysed, by reason.");

    private static readonly Counter<double> HeldSeconds = PlatformTelemetry.Meter.CreateCounter<double>(
        "palimpsest.preprocessing.held", "s", "Time that pictures waited to be decoded because enough were ready for the localizers.");

    public static void Held(TimeSpan time) => HeldSeconds.Add(time.TotalSeconds);

    public static void Decoded(string format) => Images.Add(1, new KeyValuePair<string, object?>("format", format));

    public static void Rejected(string code) => Rejections.Add(1, new KeyValuePair<string, object?>("reason", code));
}
