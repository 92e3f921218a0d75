using System.Diagnostics.Metrics;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>What reporting counts.</summary>
internal static class ReportingMetrics
{
    private static readonly Counter<long> Images = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.images", description: "Analyses that ended, by verdict (or failed, canceled)");
    private static readonly Counter<long> Rejections = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.rejections", description: "Analyses that failed, by reason");
    private static readonly Counter<long> Resends = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.stalled.resends", description: "Steps sent again by the stalled-work sweep");
    private static readonly Histogram<double> Age =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.analysis.age", "s", "Time from the 202 to the end of the analysis");

    private static readonly Gauge<long> Waiting = PlatformTelemetry.Meter.CreateGauge<long>("palimpsest.analyses.waiting", description: "Analyses that are accepted and not ended, by stage");
    private static readonly Gauge<double> Oldest = PlatformTelemetry.Meter.CreateGauge<double>("palimpsest.analyses.oldest", "s", "Time that the longest-waiting analysis of a stage has been in it");
    private static readonly Counter<long> Dead = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.messages.dead", description: "Messages the broker gave up on: their consumer died each time");

    /// <summary>How many analyses are in a stage, and since when the oldest.</summary>
    public static void InStage(string stage, long count, TimeSpan oldest)
    {
        Waiting.Record(count, new KeyValuePair<string, object?>("stage", stage));
        Oldest.Record(oldest.TotalSeconds, new KeyValuePair<string, object?>("stage", stage));
    }

    /// <summary>A dead letter of a step arrived.</summary>
    public static void DeadLetter(string step) => Dead.Add(1, new KeyValuePair<string, object?>("step", step));

    /// <summary>An analysis became terminal.</summary>
    public static void Ended(AnalysisRecord record)
    {
        Images.Add(1, new KeyValuePair<string, object?>("verdict", record.Findings.Result?.Verdict ?? record.Status));
        if (record is { Status: AnalysisStatuses.Failed, Findings.Error: { } error })
        {
            Rejections.Add(1, new KeyValuePair<string, object?>("reason", error.Code));
        }

        if (record.CompletedAt is { } ended)
        {
            Age.Record((ended - record.CreatedAt).TotalSeconds);
        }
    }

    /// <summary>The sweep sent a step again.</summary>
    public static void Resent(string step) => Resends.Add(1, new KeyValuePair<string, object?>("step", step));
}
