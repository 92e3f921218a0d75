using System.Text;
using Palimpsest.Contracts;

namespace Palimpsest.Reporting;

/// <summary>The report's evidence: each kind with its map, what it found and what it cannot show.</summary>
internal static class EvidenceSection
{
    public static void Write(StringBuilder html, AnalysisDocument a, IReadOnlyList<ReportPicture> pictures)
    {
        if (a.Evidence.Count == 0)
        {
            return;
        }

        html.Append("<h2>Evidence</h2><p class=\"soft\">Classical methods, to judge our judgement by. They take no part in the score, and none of them proves anything alone. Colours mean the same in every report.</p><div class=\"evidence\">");
        foreach (var item in a.Evidence)
        {
            html.Append($"<article class=\"{item.Finding}\"><h3>{HtmlReport.E(item.Title)}</h3>");
            if (pictures.FirstOrDefault(p => p.Evidence == item.Name) is { } map)
            {
                html.Append(HtmlReport.Image(map));
                Scale(html, item.Legend);
            }

            html.Append($"<p>{HtmlReport.E(item.Summary ?? item.State)}</p>");
            if (item.Facts.Count > 0)
            {
                html.Append("<p class=\"soft\">").AppendJoin("; ", item.Facts.Take(6).Select(f => $"{HtmlReport.E(f.Label)}: {HtmlReport.E(f.Value)}")).Append("</p>");
            }

            if (item.Similar.Count > 0)
            {
                html.Append("<p class=\"soft\">").AppendJoin("; ", item.Similar.Take(3).Select(s => $"{HtmlReport.E(s.Id)} ({s.Distance} bits differ)")).Append("</p>");
            }

            html.Append($"<p class=\"soft\">{HtmlReport.E(item.Limits ?? "")}</p></article>");
        }

        html.Append("</div>");
    }

    private static void Scale(StringBuilder html, EvidenceLegend? legend)
    {
        if (legend is not null)
        {
            html.Append($"<div class=\"scale\" title=\"{HtmlReport.E(legend.Quantity)}\">").AppendJoin("", legend.Colours.Select(c => $"<span style=\"--c:{c.Colour}\">{HtmlReport.E(c.Label)}</span>")).Append("</div>");
        }
    }
}

/// <summary>The report for somebody who has never seen one. It says no more than the score does.</summary>
internal static class InPlainWords
{
    public static void Write(StringBuilder html, AnalysisDocument a)
    {
        if (a is not { Verdict: { } verdict, Score: { } score })
        {
            return;
        }

        html.Append("<h2>In plain words</h2><p>").Append(verdict switch
        {
            Verdicts.LikelyFake => $"The programs found signs that this picture was changed. They put the chance of that at {HtmlReport.Percent(score)}; the remaining {HtmlReport.Percent(1 - score)} is the chance that they are mistaken.",
            Verdicts.LikelyReal => $"The programs found no signs of a change they are made to see. They still put the chance of one at {HtmlReport.Percent(score)}, and there are kinds of change that they cannot see.",
            _ => $"The programs could not tell whether this picture was changed. They put the chance of that at {HtmlReport.Percent(score)}, which is not enough to say either.",
        }).Append("</p><p>").Append(Where(a)).Append(' ').Append(Others(a))
            .Append("</p><p>A program’s estimate is no proof. Before anything depends on it: look for the original, ask who made the picture and when, and have somebody with experience look at the marked places.</p>");
    }

    private static string Where(AnalysisDocument a) => a.Regions.Count == 0
        ? "No place in it is marked."
        : $"{(a.Regions.Count == 1 ? "One place is" : $"{a.Regions.Count} places are")} marked, together {HtmlReport.Percent(a.ManipulatedArea)} of the picture: that is where to look first.";

    private static string Others(AnalysisDocument a)
    {
        var made = a.Evidence.Where(e => e.Finding is not null).ToList();
        var unusual = made.Where(e => e.Finding == EvidenceFindings.Unusual).Select(e => HtmlReport.E(e.Title.ToLowerInvariant())).ToList();
        return made.Count == 0 ? ""
            : unusual.Count == 0 ? $"Of {made.Count} further checks, which do not enter the estimate, none found anything out of the ordinary."
            : $"Of {made.Count} further checks, which do not enter the estimate, {unusual.Count} found something out of the ordinary ({string.Join(", ", unusual)}); honest pictures show such things now and then.";
    }
}
