using System.Net;
using System.Text;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.Reporting;

/// <summary>A picture inside the report.</summary>
/// <param name="Caption">What it shows.</param>
/// <param name="Type">Media type.</param>
/// <param name="Bytes">Encoded.</param>
/// <param name="Evidence">Name of the evidence whose map it is; null for the picture and its masks.</param>
/// <param name="Lines">Lines to draw over it: x, y, x', y' as shares of its sides.</param>
internal sealed record ReportPicture(string Caption, string Type, byte[] Bytes, string? Evidence = null, IReadOnlyList<double[]>? Lines = null);

/// <summary>
/// The report as one HTML file that needs nothing else: pictures inside, no scripts, prints well. Everything that came from a client is encoded.
/// </summary>
internal static class HtmlReport
{
    private const string Style = """
        :root{color-scheme:light dark;--line:#8884;--soft:#8882;--fake:#b3261e;--real:#1b6e3c;--unsure:#8a5a00}
        @media(prefers-color-scheme:dark){:root{--fake:#ff8a80;--real:#7ddc9f;--unsure:#ffcc66}}
        *{box-sizing:border-box}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
        h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:1.8rem 0 .5rem}p{margin:.4rem 0}
        .verdict{border:2px solid;border-radius:.6rem;padding:.9rem 1.1rem;margin:1rem 0}.verdict b{font-size:1.3rem}
        .likely_fake{border-color:var(--fake)}.likely_real{border-color:var(--real)}.uncertain,.failed,.canceled{border-color:var(--unsure)}
        .bar{height:.6rem;background:var(--soft);border-radius:.3rem;overflow:hidden;margin:.6rem 0 .2rem}.bar i{display:block;height:100%;background:currentColor;opacity:.7}
        .pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:1rem}figure{margin:0}img{max-width:100%;border:1px solid var(--line)}
        figcaption{font-size:.85rem;opacity:.8}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
        th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em;overflow-wrap:anywhere}ul{padding-left:1.2rem}
        .scroll{overflow-x:auto}footer{margin-top:2rem;font-size:.85rem;opacity:.8}
        .evidence{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.9rem}.evidence article{border:1px solid var(--line);border-radius:.4rem;padding:.6rem;break-inside:avoid;font-size:.85rem}
        .evidence h3{font-size:.92rem;margin:0 0 .2rem}.evidence p{margin:.25rem 0}.evidence img{display:block;width:100%;max-height:11rem;object-fit:contain;background:#000}.soft{opacity:.75;font-size:.92em}
        .unusual{border-left:4px solid var(--fake)!important}.notable{border-left:4px solid var(--unsure)!important}.scale{display:flex;flex-wrap:wrap;gap:.15rem .5rem;margin-top:.25rem;font-size:.92em}.scale span::before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:.25em;vertical-align:-.1em;background:var(--c);border:1px solid var(--line)}
        .over{position:relative;display:block}.over svg{position:absolute;inset:0;width:100%;height:100%}
        @media print{@page{size:A4;margin:11mm}body{margin:0;max-width:none;font-size:9.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}.pictures{grid-template-columns:repeat(3,1fr);gap:.5rem}.pictures img{max-height:44mm;width:auto}h2{margin:.7rem 0 .25rem}
        .evidence{grid-template-columns:repeat(3,1fr);gap:.4rem}.evidence article{font-size:7.6pt;padding:.3rem;line-height:1.3}.evidence img{max-height:26mm}.evidence h3{font-size:8.6pt}table{font-size:8pt}th,td{padding:.12rem .4rem .12rem 0}.verdict{padding:.5rem .8rem;margin:.5rem 0}h2,h2+p{break-after:avoid}figure,tr{break-inside:avoid}}
        """;

    /// <summary>The page.</summary>
    public static string Render(AnalysisDocument a, IReadOnlyList<ReportPicture> pictures)
    {
        var html = new StringBuilder();
        html.Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">")
            .Append($"<title>Report {E(a.Id)}</title><style>").Append(Style).Append("</style></head><body>")
            .Append($"<h1>Image forgery report</h1><p>{E(a.Image.Filename ?? "unnamed picture")}, received {E(a.CreatedAt.ToString("u"))}</p>");
        Verdict(html, a);
        InPlainWords.Write(html, a);
        List(html, "Please note", a.Warnings);
        Pictures(html, a, [.. pictures.Where(p => p.Evidence is null)]);
        Table(html, "What was looked for", ["Localizer", "State", "Score", "Threshold", "Model", "Remark"], a.Detectors.Select(d => new Cell[]
        {
            d.Name, Words(d.State), new(Percent(d.Score), d.Score), new(Percent(d.Threshold), d.Threshold), d.Model is null ? "" : $"{d.Model.Name} {d.Model.Version}", d.Reason ?? (d.DurationMs is { } ms ? $"{ms:0} ms on {d.Provider ?? "cpu"}" : ""),
        }));
        Table(html, "Regions", ["Box (x, y, width, height)", "Share of picture", "Mean probability", "Found by"], a.Regions.Take(12).Select(r => new Cell[] { Box(r.Box), new(Percent(r.Area), r.Area), new(Percent(r.Score), r.Score), r.Detector }));
        Table(html, "Faces", ["Box (x, y, width, height)", "Found with", "Deepfake score"], a.Faces.Take(12).Select(f => new Cell[] { Box(f.Box), new(Percent(f.Confidence), f.Confidence), f.Score is null ? new("not scored") : new Cell(Percent(f.Score), f.Score) }));
        EvidenceSection.Write(html, a, pictures);
        List(html, "Why these localizers", a.Routing?.Reasons ?? []);
        Table(html, "The file", ["Fact", "Value"], Facts(a));
        string score = a.CalibrationVersion == Hosting.Calibration.Uncalibrated.Version ? "the models' own, not yet calibrated, estimate" : "a calibrated probability";
        html.Append($"<footer><p>The score is {score} that the picture was manipulated, not a proof. “Likely real” says that every localizer that applies looked and found ")
            .Append("nothing; no localizer covers every kind of synthesis.</p></footer></body></html>");
        return html.ToString();
    }

    private static void Verdict(StringBuilder html, AnalysisDocument a)
    {
        html.Append($"<div class=\"verdict {E(a.Verdict ?? a.Status)}\">");
        if (a.Verdict is null)
        {
            html.Append($"<b>{E(Words(a.Status))}</b><p>{E(a.Error?.Detail ?? "There is no result.")} {(a.Error is null ? "" : $"<code>{E(a.Error.Code)}</code>")}</p></div>");
            return;
        }

        string sign = a.Verdict switch { Verdicts.LikelyFake => "&#9888; Likely fake", Verdicts.LikelyReal => "&#10003; Likely real", _ => "? Uncertain" };
        html.Append($"<b>{sign}</b><div class=\"bar\"><i style=\"width:{(a.Score ?? 0) * 100:0.#}%\"></i></div>")
            .Append($"<p>Probability of manipulation {Number(a.Score)}; confidence in this verdict {Number(a.Confidence)}. ")
            .Append(a.Kind switch { "both" => "Signs of both an edit and a changed face. ", "shallowfake" => "Signs of an edit of the photograph. ", "deepfake" => "Signs of a swapped or generated face. ", _ => "" })
            .Append($"{Number(a.ManipulatedArea)} of the picture is marked.</p></div>");
    }

    private static void Pictures(StringBuilder html, AnalysisDocument a, IReadOnlyList<ReportPicture> pictures)
    {
        if (a.ErasedAt is { } erased)
        {
            html.Append($"<p>The picture and its masks were erased at {E(erased.ToString("u"))}.</p>");
        }

        if (pictures.Count == 0)
        {
            return;
        }

        html.Append("<h2>Where</h2><div class=\"pictures\">");
        foreach (var picture in pictures)
        {
            html.Append($"<figure>{Image(picture)}<figcaption>{E(picture.Caption)}</figcaption></figure>");
        }

        html.Append("</div>");
    }

    /// <summary>The picture with its lines drawn over it.</summary>
    internal static string Image(ReportPicture picture)
    {
        string image = $"<img alt=\"{E(picture.Caption)}\" src=\"data:{picture.Type};base64,{Convert.ToBase64String(picture.Bytes)}\">";
        if (picture.Lines is not { Count: > 0 } lines)
        {
            return image;
        }

        var svg = new StringBuilder("<svg viewBox=\"0 0 1 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\" stroke=\"#ff8c1a\" stroke-width=\".004\">");
        foreach (double[] line in lines)
        {
            svg.Append(System.Globalization.CultureInfo.InvariantCulture, $"<line x1=\"{line[0]:0.####}\" y1=\"{line[1]:0.####}\" x2=\"{line[2]:0.####}\" y2=\"{line[3]:0.####}\"/>");
        }

        return $"<span class=\"over\">{image}{svg}</svg></span>";
    }

    private static IEnumerable<Cell[]> Facts(AnalysisDocument a)
    {
        yield return ["SHA-256", a.Image.Sha256];
        yield return ["Size", a.Image.Width is null ? $"{a.Image.Bytes} bytes" : $"{a.Image.Width} x {a.Image.Height} pixels, {a.Image.Bytes} bytes, {a.Image.Format}"];
        yield return ["Analysis", a.Id + (a.Cached ? " (answered from an earlier analysis of the same file)" : "")];
        yield return ["Finished", a.CompletedAt?.ToString("u") ?? ""];
        yield return ["Calibration", a.CalibrationVersion ?? ""];
        foreach (var d in a.Detectors.Where(d => d.Model is not null))
        {
            yield return [$"Model {d.Name}", $"{d.Model!.Name} {d.Model.Version}, SHA-256 {d.Model.Sha256}"];
        }

        if (a.Metadata is { Count: > 0 } metadata)
        {
            yield return ["Metadata", metadata.ToJsonString(PlatformJson.Options)];
        }

        if (a.TraceId is not null)
        {
            yield return ["Trace", a.TraceId];
        }
    }

    private static void List(StringBuilder html, string title, IReadOnlyList<string> items)
    {
        if (items.Count > 0)
        {
            html.Append($"<h2>{E(title)}</h2><ul>").AppendJoin("", items.Select(i => $"<li>{E(i)}</li>")).Append("</ul>");
        }
    }

    private static void Table(StringBuilder html, string title, string[] head, IEnumerable<Cell[]> rows)
    {
        var cells = rows.ToList();
        if (cells.Count > 0)
        {
            html.Append($"<h2>{E(title)}</h2><div class=\"scroll\"><table><thead><tr>").AppendJoin("", head.Select(h => $"<th scope=\"col\">{E(h)}</th>")).Append("</tr></thead><tbody>")
                .AppendJoin("", cells.Select(r => "<tr>" + string.Concat(r.Select(c => $"<td>{c.Html}</td>")) + "</tr>")).Append("</tbody></table></div>");
        }
    }

    /// <summary>A text, or a number with the exact value of the JSON beside its rounded one.</summary>
    private sealed record Cell(string Text, double? Value = null)
    {
        public string Html => Value is { } value ? $"<data value=\"{JsonSerializer.Serialize(value, PlatformJson.Options)}\">{E(Text)}</data>" : E(Text);

        public static implicit operator Cell(string text) => new(text);
    }

    private static string Number(double? share) => new Cell(Percent(share), share).Html;

    private static string Words(string state) => state.Replace('_', ' ');

    private static string Box(PixelBox b) => $"{b.X}, {b.Y}, {b.Width}, {b.Height}";

    /// <summary>Rounded, but never to a certainty that the number does not have.</summary>
    internal static string Percent(double? share) => share switch
    {
        null => "",
        > 0.9995 and < 1 => "more than 99.9 %",
        > 0 and < 0.0005 => "less than 0.1 %",
        { } s => $"{s * 100:0.#} %",
    };

    internal static string E(string text) => WebUtility.HtmlEncode(text);
}
