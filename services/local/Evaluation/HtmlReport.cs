using System.Globalization;
using System.Net;
using System.Text;

namespace Palimpsest.Local.Evaluation;

/// <summary><c>report.html</c>: one file, no script, nothing loaded from elsewhere.</summary>
internal static class HtmlReport
{
    private const string Style =
        """
        body{font:14px/1.45 system-ui,sans-serif;margin:24px auto;max-width:1320px;padding:0 16px;color:#1c2330;background:#fff}
        h1{font-size:22px}h2{font-size:17px;margin-top:32px}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
        th,td{padding:4px 9px;border-bottom:1px solid #dde2ea;text-align:right}th:first-child,td:first-child{text-align:left}
        .p{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:16px}svg{width:100%;height:auto;background:#fff;border:1px solid #e4e8ee;border-radius:6px}
        svg text{font:11px system-ui,sans-serif;fill:#39424f}svg .t{font-size:13px;font-weight:600}svg .m{text-anchor:middle}svg .e{text-anchor:end}svg .g{stroke:#e8ebf0}
        .c{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:14px}.c figure{margin:0;border:1px solid #e4e8ee;border-radius:6px;padding:8px}
        .c div{display:flex;gap:4px}.c img{width:33%;object-fit:contain;background:#eee}figcaption{font-size:12px;overflow-wrap:anywhere;margin-top:4px}
        """;

    public static string Render(string title, MetricsDocument metrics, IReadOnlyList<ImageOutcome> outcomes, IReadOnlyList<GalleryEntry> best, IReadOnlyList<GalleryEntry> worst)
    {
        var html = new StringBuilder();
        html.Append("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>").Append(Text(title)).Append("</title><style>").Append(Style).Append("</style><h1>").Append(Text(title)).Append("</h1>");
        html.Append("<p>Models: ").Append(Text(string.Join("; ", metrics.Models.Select(m => $"{m.Name} {m.Version} ({m.Sha256[..12]})"))));
        html.Append(". Calibration: ").Append(Text(metrics.CalibrationVersion ?? "none")).Append(". Detectors: ").Append(Text(metrics.Detectors));
        html.Append(". Where: ").Append(Text(metrics.Where ?? "all")).Append(". Degraded by: ").Append(Text(metrics.Degrade ?? "nothing")).Append(".</p>");
        Table(html, metrics);
        html.Append("<h2>Curves</h2><div class=\"p\">");
        foreach (var plot in Plots.All(metrics, outcomes))
        {
            html.Append(plot);
        }

        html.Append("</div>");
        Confusion(html, metrics);
        Gallery(html, "Best masks", best);
        Gallery(html, "Worst masks", worst);
        Failures(html, outcomes);
        return html.Append("</html>").ToString();
    }

    private static void Table(StringBuilder html, MetricsDocument metrics)
    {
        html.Append("<h2>Figures</h2><table><tr><th>data set<th>authentic<th>forged<th>with mask<th>pixel F1@0.5<th>95 %<th>best F1<th>IoU<th>pixel AUC<th>paper F1<th>image AUC<th>95 %<th>AP<th>sensitivity<th>specificity<th>false alarms at 95 %<th>ECE<th>routing<th>img/s</tr>");
        foreach (var (name, m) in metrics.Datasets.Append(new("all", metrics.All)))
        {
            html.Append("<tr><td>").Append(Text(name));
            foreach (string cell in (string[])
                [
                    $"{m.Counts.Authentic}", $"{m.Counts.Forged}", $"{m.Counts.ForgedWithMask}", Number(m.Pixel.F1), Interval(m.Pixel.F1Interval), Number(m.Pixel.BestF1), Number(m.Pixel.Iou),
                    Number(m.Pixel.Auc), Number(m.Pixel.PaperF1), Number(m.Image.Auc), Interval(m.Image.AucInterval), Number(m.Image.AveragePrecision), Number(m.Image.Sensitivity), Number(m.Image.Specificity),
                    Number(m.Image.FalseAlarmAt95Sensitivity), Number(m.Image.Ece), Number(m.RoutingAccuracy), Number(m.ImagesPerSecond),
                ])
            {
                html.Append("<td>").Append(cell);
            }

            html.Append("</tr>");
        }

        html.Append("</table>");
    }

    private static void Confusion(StringBuilder html, MetricsDocument metrics)
    {
        html.Append("<h2>Verdicts</h2><table><tr><th>data set<th>likely real<th>uncertain<th>likely fake<th>not analysed</tr>");
        foreach (var (name, m) in metrics.Datasets.Append(new("all", metrics.All)))
        {
            html.Append(CultureInfo.InvariantCulture, $"<tr><td>{Text(name)}<td>{m.Verdicts.LikelyReal}<td>{m.Verdicts.Uncertain}<td>{m.Verdicts.LikelyFake}<td>{m.Verdicts.Error}</tr>");
        }

        html.Append("</table>");
    }

    private static void Gallery(StringBuilder html, string title, IReadOnlyList<GalleryEntry> entries)
    {
        if (entries.Count == 0)
        {
            return;
        }

        html.Append("<h2>").Append(title).Append("</h2><p>Picture, truth, prediction.</p><div class=\"c\">");
        foreach (var entry in entries)
        {
            html.Append("<figure><div>");
            foreach (byte[] jpeg in (byte[][])[entry.Picture, entry.Truth, entry.Prediction])
            {
                html.Append("<img alt=\"\" src=\"data:image/jpeg;base64,").Append(Convert.ToBase64String(jpeg)).Append("\">");
            }

            var o = entry.Outcome;
            html.Append("</div><figcaption>").Append(Text(o.Item.Name)).Append(CultureInfo.InvariantCulture, $"<br>F1 {Number(o.Pixel?.F1)}, best {Number(o.Pixel?.BestF1)}, score {Number(o.Score)}, {Text(o.Verdict ?? "")}</figcaption></figure>");
        }

        html.Append("</div>");
    }

    private static void Failures(StringBuilder html, IReadOnlyList<ImageOutcome> outcomes)
    {
        var failed = outcomes.Where(o => o.Error is not null).ToList();
        if (failed.Count > 0)
        {
            html.Append(CultureInfo.InvariantCulture, $"<h2>Not analysed: {failed.Count}</h2><ul>");
            foreach (var o in failed.Take(100))
            {
                html.Append("<li>").Append(Text(o.Item.Name)).Append(": ").Append(Text(o.Error!)).Append("</li>");
            }

            html.Append("</ul>");
        }
    }

    private static string Text(string value) => WebUtility.HtmlEncode(value);

    private static string Number(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "–";

    private static string Interval(IReadOnlyList<double>? interval) => interval is [var low, var high] ? $"{Number(low)}–{Number(high)}" : "–";
}
