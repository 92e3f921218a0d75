using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Evidence of a finished analysis: the list, one kind as JSON, one kind's map as PNG.</summary>
internal static class EvidenceEndpoints
{
    public static void MapEvidence(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/analyses/{id}/evidence", ListAsync).WithName("listEvidence").WithTags("Pictures").WithSummary("All evidence; what has been made is filled in").Produces<EvidenceList>();
        routes.MapGet("/analyses/{id}/evidence/{name}", GetAsync).WithName("getEvidence").WithTags("Pictures").WithSummary("One piece of evidence: its map, or '?format=json' what it found").Produces<byte[]>(200, "image/png");
    }

    private static async Task<IResult> ListAsync(string id, HttpContext context, IAnalysisStore store, EvidenceBook book, string? make)
    {
        bool all = make is not (null or "") && (bool.TryParse(make, out bool asked) ? asked : throw ApiException.InvalidOption("make", "make is true or false."));
        var record = await store.FindReportAsync(context, id);
        return Json(context, new EvidenceList(await ImageEndpoints.ShownAsync(book.ListAsync(record, all, context.RequestAborted))));
    }

    private static async Task<IResult> GetAsync(string id, string name, HttpContext context, IAnalysisStore store, EvidenceBook book, Pictures pictures, string? format, string? max)
    {
        if (format is not (null or "" or "png" or "json"))
        {
            throw ApiException.InvalidOption("format", "format is png or json.");
        }

        int? side = ImageEndpoints.Side(max);
        var record = await store.FindReportAsync(context, id);
        if (format == "json")
        {
            return Json(context, await ImageEndpoints.ShownAsync(book.FindAsync(record, name, context.RequestAborted)) ?? throw ApiException.NotFound("evidence"));
        }

        var picture = DetectorMap(record, name) is { } map ? pictures.MaskAsync(record, name, map, side, context.RequestAborted) : book.MapAsync(record, name, side, context.RequestAborted)!;
        return ImageEndpoints.Send(context, await ImageEndpoints.ShownAsync(picture) ?? throw ApiException.NotFound("evidence"), "image/png", $"{id}-{name}.png");
    }

    private static IResult Json(HttpContext context, object document)
    {
        context.Response.Headers.CacheControl = "private, no-store";
        return Results.Json(document, PlatformJson.Options);
    }

    /// <summary>mask-{detector} or activation-{detector}.</summary>
    private static BlobReference? DetectorMap(AnalysisRecord record, string name)
    {
        string[] parts = name.Split('-', 2);
        var detector = parts.Length == 2 ? record.Findings.Detectors.FirstOrDefault(d => d.Name == parts[1]) : null;
        return parts[0] switch { "mask" => detector?.Map, "activation" => detector?.Activation, _ => null };
    }
}
