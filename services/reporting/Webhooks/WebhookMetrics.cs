using System.Diagnostics.Metrics;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>Metrics of webhooks.</summary>
internal static class WebhookMetrics
{
    private static readonly Counter<long> Deliveries =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.webhook.deliveries", "{attempt}", "Webhook attempts by outcome: delivered, retry, failed, gone, refused.");

    private static readonly Histogram<double> Duration =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.webhook.duration", "s", "One webhook attempt, from connect to status.");

    private static readonly Counter<long> Disabled =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.webhook.endpoints_disabled", "{endpoint}", "Endpoints disabled after 410 or days of failure.");

    private static readonly Gauge<long> Due = PlatformTelemetry.Meter.CreateGauge<long>("palimpsest.webhook.due", "{delivery}", "Webhook deliveries that are due and not sent.");

    private static readonly Gauge<double> Lateness = PlatformTelemetry.Meter.CreateGauge<double>("palimpsest.webhook.lateness", "s", "How long the oldest due webhook delivery has been due.");

    public static void Attempted(string outcome, TimeSpan took)
    {
        Deliveries.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
        Duration.Record(took.TotalSeconds);
    }

    public static void EndpointDisabled(string reason) => Disabled.Add(1, new KeyValuePair<string, object?>("reason", reason));

    public static void Backlog(long due, TimeSpan lateness)
    {
        Due.Record(due);
        Lateness.Record(lateness.TotalSeconds);
    }
}
