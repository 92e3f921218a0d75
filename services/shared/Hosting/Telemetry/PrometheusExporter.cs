using System.Globalization;
using System.Text;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Palimpsest.Hosting;

/// <summary>
/// Renders the OpenTelemetry SDK's aggregated metrics as Prometheus text (exposition format 0.0.4). Stands in for
/// OpenTelemetry.Exporter.Prometheus.AspNetCore: names with '.' become '_', unit suffixes s → _seconds, By → _bytes, counters end in _total.
/// </summary>
internal sealed class PrometheusExporter : BaseExporter<Metric>
{
    private readonly StringBuilder text = new();

    /// <summary>The text of the last collection.</summary>
    public string Text { get; private set; } = "";

    public override ExportResult Export(in Batch<Metric> batch)
    {
        text.Clear();
        foreach (var metric in batch)
        {
            Write(metric);
        }

        Text = text.ToString();
        return ExportResult.Success;
    }

    private void Write(Metric metric)
    {
        bool counter = metric.MetricType is MetricType.LongSum or MetricType.DoubleSum;
        string name = Name(metric.Name, metric.Unit) + (counter ? "_total" : "");
        string kind = metric.MetricType == MetricType.Histogram ? "histogram" : counter ? "counter" : "gauge";
        if (metric.Description.Length > 0)
        {
            text.Append("# HELP ").Append(name).Append(' ').Append(metric.Description.ReplaceLineEndings(" ")).Append('\n');
        }

        text.Append("# TYPE ").Append(name).Append(' ').Append(kind).Append('\n');
        foreach (ref readonly var point in metric.GetMetricPoints())
        {
            string labels = Labels(point);
            if (metric.MetricType == MetricType.Histogram)
            {
                WriteHistogram(name, labels, point);
            }
            else
            {
                Line(name, labels, Value(metric.MetricType, point));
            }
        }
    }

    private void WriteHistogram(string name, string labels, in MetricPoint point)
    {
        long cumulative = 0;
        string separator = labels.Length > 0 ? "," : "";
        foreach (var bucket in point.GetHistogramBuckets())
        {
            cumulative += bucket.BucketCount;
            string bound = double.IsPositiveInfinity(bucket.ExplicitBound) ? "+Inf" : bucket.ExplicitBound.ToString("R", CultureInfo.InvariantCulture);
            Line(name + "_bucket", $"{labels}{separator}le=\"{bound}\"", cumulative);
        }

        Line(name + "_sum", labels, point.GetHistogramSum());
        Line(name + "_count", labels, point.GetHistogramCount());
    }

    private static double Value(MetricType type, in MetricPoint point) => type switch
    {
        MetricType.LongSum or MetricType.LongSumNonMonotonic => point.GetSumLong(),
        MetricType.DoubleSum or MetricType.DoubleSumNonMonotonic => point.GetSumDouble(),
        MetricType.LongGauge => point.GetGaugeLastValueLong(),
        MetricType.DoubleGauge => point.GetGaugeLastValueDouble(),
        _ => double.NaN,
    };

    private static string Labels(in MetricPoint point)
    {
        var labels = new StringBuilder();
        foreach (var tag in point.Tags)
        {
            string value = Convert.ToString(tag.Value, CultureInfo.InvariantCulture) ?? "";
            labels.Append(labels.Length > 0 ? "," : "").Append(Name(tag.Key, "")).Append("=\"")
                .Append(value.Replace("\\", @"\\").Replace("\"", "\\\"").Replace("\n", "\\n")).Append('"');
        }

        return labels.ToString();
    }

    private void Line(string name, string labels, double value)
    {
        text.Append(name);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }

        text.Append(' ').Append(value.ToString("R", CultureInfo.InvariantCulture)).Append('\n');
    }

    private static string Name(string name, string unit)
    {
        var clean = new StringBuilder(name.Length + 8);
        foreach (char c in name)
        {
            clean.Append(char.IsAsciiLetterOrDigit(c) ? c : '_');
        }

        string suffix = unit switch { "s" => "_seconds", "By" => "_bytes", "ms" => "_milliseconds", _ => "" };
        return suffix.Length > 0 && !clean.ToString().EndsWith(suffix, StringComparison.Ordinal) ? clean.Append(suffix).ToString() : clean.ToString();
    }
}
