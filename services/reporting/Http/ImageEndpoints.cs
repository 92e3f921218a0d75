using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Reporting;

/// <summary>Pictures of an analysis: fixed types, never sniffed, never run as a page.</summary>
internal static class ImageEndpoints
{
    private const int ThumbnailSide = 320;
    private const int LargestThumbnail = 4096;

    public static void MapImages(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/analyses/{id}/mask", MaskAsync).WithName("getMask").WithTags("Pictures").WithSummary("Manipulation mask: 8-bit grey PNG of the upload's size").Produces<byte[]>(200, "image/png");
        routes.MapGet("/analyses/{id}/overlay", OverlayAsync).WithName("getOverlay").WithTags("Pictures").WithSummary("The picture with the mask drawn over it").Produces<byte[]>(200, "image/png");
        routes.MapGet("/analyses/{id}/thumbnail", ThumbnailAsync).WithName("getThumbnail").WithTags("Pictures").WithSummary("The picture, small").Produces<byte[]>(200, "image/webp");
        routes.MapGet("/analyses/{id}/evidence/{name}", EvidenceAsync).WithName("getEvidence").WithTags("Pictures").WithSummary("One piece of evidence as a picture").Produces<byte[]>(200, "image/png");
    }

    /// <summary>Sends a picture with the headers that all of them carry.</summary>
    public static IResult Send(HttpContext context, byte[] bytes, string type, string name)
    {
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        headers.ContentDisposition = $"inline; filename=\"{name}\"";
        headers.CacheControl = "private, no-store";
        return Results.Bytes(bytes, type);
    }

    private static async Task<IResult> MaskAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures)
    {
        var record = await store.FindReportAsync(context, id);
        var map = record.Findings.Result?.Map ?? throw ApiException.NotFound("mask");
        return Send(context, await ShownAsync(pictures.MaskAsync(record, "mask", map, null, context.RequestAborted)), "image/png", $"{id}-mask.png");
    }

    private static async Task<IResult> OverlayAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures)
    {
        var record = await store.FindReportAsync(context, id);
        return Send(context, await ShownAsync(pictures.RenderAsync(record, overlay: true, RenderFormat.Png, null, context.RequestAborted)), "image/png", $"{id}-overlay.png");
    }

    private static async Task<IResult> ThumbnailAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures, string? max)
    {
        int side = max is null or "" ? ThumbnailSide
            : int.TryParse(max, out int asked) && asked is >= 16 and <= LargestThumbnail ? asked
            : throw ApiException.InvalidOption("max", $"max is the longest side in pixels, 16 to {LargestThumbnail}.");
        var record = await store.FindForAsync(context, id);
        if (record.ErasedAt is not null)
        {
            throw AnalysisAccess.PicturesErased();
        }

        return Send(context, await ShownAsync(pictures.RenderAsync(record, overlay: false, RenderFormat.Webp, side, context.RequestAborted)), "image/webp", $"{id}-thumbnail.webp");
    }

    private static async Task<IResult> EvidenceAsync(string id, string name, HttpContext context, IAnalysisStore store, Pictures pictures)
    {
        var record = await store.FindReportAsync(context, id);
        var map = Map(record, name) ?? throw ApiException.NotFound("evidence");
        return Send(context, await ShownAsync(pictures.MaskAsync(record, name, map, null, context.RequestAborted)), "image/png", $"{id}-{name}.png");
    }

    /// <summary>mask-{detector} or activation-{detector}.</summary>
    private static BlobReference? Map(AnalysisRecord record, string name)
    {
        string[] parts = name.Split('-', 2);
        var detector = parts.Length == 2 ? record.Findings.Detectors.FirstOrDefault(d => d.Name == parts[1]) : null;
        return parts[0] switch { "mask" => detector?.Map, "activation" => detector?.Activation, _ => null };
    }

    /// <summary>Erased between the look into the database and the look at the disk.</summary>
    private static async Task<byte[]> ShownAsync(Task<byte[]> picture)
    {
        try
        {
            return await picture;
        }
        catch (BlobNotFoundException)
        {
            throw AnalysisAccess.PicturesErased();
        }
    }
}
