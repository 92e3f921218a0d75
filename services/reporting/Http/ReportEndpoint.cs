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

    public static void MapReport(this IEndpointRouteBuilder routes) => routes.MapGet("/analyses/{id}/report", GetAsync)
        .WithName("getReport").WithTags("Analyses").WithSummary("The report as one HTML file; '?format=json' or 'csv'").Produces<string>(200, "text/html");

    private static async Task<IResult> GetAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures, string? format)
    {
        var record = await store.FindForAsync(context, id);
        if (!AnalysisStatuses.IsTerminal(record.Status))
        {
            throw AnalysisAccess.NotFinished();
        }

        var document = AnalysisDocuments.From(record);
        context.Response.Headers.CacheControl = "private, no-cache";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        switch (format)
        {
            case "json":
                return Results.Json(document, PlatformJson.Options);
            case "csv":
                return Results.File(Encoding.UTF8.GetBytes(AnalysisRows.Header + AnalysisRows.Row(document)), Csv.ContentType, $"{id}.csv");
            case null or "" or "html":
                context.Response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox";
                context.Response.Headers.ContentDisposition = $"inline; filename=\"{id}.html\"";
                return Results.Text(HtmlReport.Render(document, await PicturesAsync(record, pictures, context.RequestAborted)), "text/html; charset=utf-8");
            default:
                throw ApiException.InvalidOption("format", "format is html, json or csv.");
        }
    }

    private static async Task<IReadOnlyList<ReportPicture>> PicturesAsync(AnalysisRecord record, Pictures pictures, CancellationToken cancellationToken)
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
                    shown.Add(new($"What the {detector.Name} localizer's judgement rests on", "image/png", await pictures.MaskAsync(record, "activation-" + detector.Name, activation, MaskSide, cancellationToken)));
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
