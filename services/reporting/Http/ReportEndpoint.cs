using System.Text;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Reporting;

/// <summary><c>GET /v1/analyses/{id}/report</c>: HTML in one file, or JSON, or CSV.</summary>
internal static class ReportEndpoint
{
    private const int PictureSide = 1024;
    private const int MaskSide = 512;
    private const int EvidenceSide = 400;

    public static void MapReport(this IEndpointRouteBuilder routes) => routes.MapGet("/analyses/{id}/report", GetAsync)
        .WithName("getReport").WithTags("Analyses").WithSummary("The report as one HTML file; '?format=json' or 'csv'").Produces<string>(200, "text/html");

    private static async Task<IResult> GetAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures, EvidenceBook book, string? format)
    {
        var record = await store.FindForAsync(context, id);
        if (!AnalysisStatuses.IsTerminal(record.Status))
        {
            throw AnalysisAccess.NotFinished();
        }

        if (format is not (null or "" or "html" or "json" or "csv"))
        {
            throw ApiException.InvalidOption("format", "format is html, json or csv.");
        }

        var document = await WithEvidenceAsync(record, book, context.RequestAborted);
        context.Response.Headers.CacheControl = "private, no-cache";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        switch (format)
        {
            case "json":
                return Results.Json(document, PlatformJson.Options);
            case "csv":
                return Results.File(Encoding.UTF8.GetBytes(AnalysisRows.Header + AnalysisRows.Row(document)), Csv.ContentType, $"{id}.csv");
            default:
                context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
                context.Response.Headers.ContentDisposition = $"inline; filename=\"{id}.html\"";
                return Results.Text(HtmlReport.Render(document, await PicturesAsync(record, document, pictures, book, context.RequestAborted)), "text/html; charset=utf-8");
        }
    }

    /// <summary>A report has all evidence: what has not been made is made now.</summary>
    private static async Task<AnalysisDocument> WithEvidenceAsync(AnalysisRecord record, EvidenceBook book, CancellationToken cancellationToken)
    {
        var document = AnalysisDocuments.From(record);
        try
        {
            return document.Evidence.Count == 0 ? document : document with { Evidence = await book.ListAsync(record, make: true, cancellationToken) };
        }
        catch (BlobNotFoundException)
        {
            // Erased while it was made: the numbers remain.
            return document with { Evidence = [] };
        }
    }

    private static async Task<IReadOnlyList<ReportPicture>> PicturesAsync(AnalysisRecord record, AnalysisDocument document, Pictures pictures, EvidenceBook book, CancellationToken cancellationToken)
    {
        if (record is not { Status: AnalysisStatuses.Succeeded, ErasedAt: null })
        {
            return [];
        }

        var shown = new List<ReportPicture>();
        try
        {
            shown.Add(new("As received", "image/jpeg", await pictures.RenderAsync(record, overlay: false, RenderFormat.Jpeg, PictureSide, cancellationToken)));
            shown.Add(new("With the mask drawn over it: yellow to red as the probability of manipulation rises", "image/jpeg", await pictures.RenderAsync(record, overlay: true, RenderFormat.Jpeg, PictureSide, cancellationToken)));
            foreach (var detector in record.Findings.Detectors)
            {
                if (detector.Map is { } map)
                {
                    shown.Add(new($"Mask of the {detector.Name} localizer (white: manipulated)", "image/png", await pictures.MaskAsync(record, "mask-" + detector.Name, map, MaskSide, cancellationToken)));
                }

                if (detector.Activation is { } activation)
                {
                    string name = "activation-" + detector.Name;
                    shown.Add(new($"What the {detector.Name} localizer's judgement rests on", "image/png", await pictures.MaskAsync(record, name, activation, EvidenceSide, cancellationToken), name));
                }
            }

            foreach (var item in document.Evidence.Where(e => e.Map is not null && EvidenceCatalogue.Knows(e.Name)))
            {
                if (await book.MapAsync(record, item.Name, EvidenceSide, cancellationToken) is { } map)
                {
                    shown.Add(new(item.Title, "image/png", map, item.Name));
                }

                if (item.Pairs.Count > 0 && shown.Count > 0 && document.Image is { Width: { } width, Height: { } height })
                {
                    var lines = item.Pairs.SelectMany(p => p.Points).Select(p => new[] { p[0] / width, p[1] / height, p[2] / width, p[3] / height }).ToList();
                    shown.Add(shown[0] with { Caption = "Points that occur twice, joined by lines", Lines = lines });
                }
            }
        }
        catch (BlobNotFoundException)
        {
            // Erased while the report is made: the numbers remain.
        }

        return shown;
    }
}
