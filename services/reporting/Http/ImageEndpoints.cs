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
    }

    /// <summary>Sends a picture with the headers that all of them carry.</summary>
    /// <exception cref="ApiException">503 overloaded.</exception>
    public static IResult Send(HttpContext context, byte[] bytes, string type, string name)
    {
        var picture = context.RequestServices.GetRequiredService<PicturesUnderway>().Open(TenantContext.Of(context).Tenant, bytes);
        var headers = context.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.ContentSecurityPolicy = "default-src 'none'; sandbox";
        headers.ContentDisposition = $"inline; filename=\"{name}\"";
        headers.CacheControl = "private, no-store";
        return Results.Stream(picture, type);
    }

    /// <summary>The longest side that is asked for; null when none is.</summary>
    /// <exception cref="ApiException">422.</exception>
    public static int? Side(string? max) => max is null or "" ? null
        : int.TryParse(max, out int asked) && asked is >= 16 and <= LargestThumbnail ? asked
        : throw ApiException.InvalidOption("max", $"max is the longest side in pixels, 16 to {LargestThumbnail}.");

    private static async Task<IResult> MaskAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures, string? max)
    {
        int? side = Side(max);
        var record = await store.FindReportAsync(context, id);
        var map = record.Findings.Result?.Map ?? throw ApiException.NotFound("mask");
        return Send(context, await ShownAsync(pictures.MaskAsync(record, "mask", map, side, context.RequestAborted)), "image/png", $"{id}-mask.png");
    }

    private static async Task<IResult> OverlayAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures)
    {
        var record = await store.FindReportAsync(context, id);
        return Send(context, await ShownAsync(pictures.RenderAsync(record, overlay: true, RenderFormat.Png, null, context.RequestAborted)), "image/png", $"{id}-overlay.png");
    }

    private static async Task<IResult> ThumbnailAsync(string id, HttpContext context, IAnalysisStore store, Pictures pictures, string? max, string? format)
    {
        int side = Side(max) ?? ThumbnailSide;
        bool lossless = format switch { null or "" or "webp" => false, "png" => true, _ => throw ApiException.InvalidOption("format", "format is webp or png.") };
        var record = await store.FindForAsync(context, id);
        if (record.ErasedAt is not null)
        {
            throw AnalysisAccess.PicturesErased();
        }

        var (rendering, kind) = lossless ? (RenderFormat.Png, "png") : (RenderFormat.Webp, "webp");
        return Send(context, await ShownAsync(pictures.RenderAsync(record, overlay: false, rendering, side, context.RequestAborted)), $"image/{kind}", $"{id}-thumbnail.{kind}");
    }

    /// <summary>Erased between the look into the database and the look at the disk.</summary>
    public static async Task<T> ShownAsync<T>(Task<T> picture)
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
