using Palimpsest.Contracts;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Rendering;

namespace Palimpsest.Reporting;

/// <summary>
/// The pictures of a finished analysis. Maps are drawn here, from our own files; whatever needs the upload's pixels is made by a decoder process. Nothing a client sent is ever handed
/// back as it came.
/// </summary>
internal sealed class Pictures(IBlobStore blobs, DecoderPool decoders, RenderedImages rendered)
{
    /// <summary>A map as grey PNG of the upload's displayed size.</summary>
    public Task<byte[]> MaskAsync(AnalysisRecord record, string name, BlobReference map, CancellationToken cancellationToken) => rendered.GetAsync(record.Id, name, async () =>
    {
        var facts = await blobs.ReadFactsAsync(FactsKey(record), cancellationToken);
        return MaskRenderer.RenderPng(await blobs.ReadMapAsync(map.Key, cancellationToken), facts.Geometry);
    });

    /// <summary>The upload in displayed orientation, with the fused mask drawn over it when <paramref name="overlay"/>.</summary>
    /// <param name="record">Whose.</param>
    /// <param name="overlay">Draw the mask.</param>
    /// <param name="format">Encoding.</param>
    /// <param name="maxSide">Longest side, pixels; null for its own size.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ApiException">409: it cannot be rendered.</exception>
    public Task<byte[]> RenderAsync(AnalysisRecord record, bool overlay, RenderFormat format, int? maxSide, CancellationToken cancellationToken) =>
        rendered.GetAsync(record.Id, $"{(overlay ? "overlay" : "plain")}-{format}-{maxSide}", async () =>
        {
            string output = blobs.CreateTemporaryPath();
            try
            {
                using var upload = await blobs.OpenLocalAsync(record.Request.Upload.Key, cancellationToken);
                using var map = overlay && record.Findings.Result?.Map is { } fused ? await blobs.OpenLocalAsync(fused.Key, cancellationToken) : null;
                var over = map is null ? default((string, Imaging.ImageGeometry)?) : (map.Path, (await blobs.ReadFactsAsync(FactsKey(record), cancellationToken)).Geometry);
                var (_, refusal) = await decoders.RenderAsync(upload.Path, output, format, maxSide, over, cancellationToken);
                return refusal is null
                    ? await File.ReadAllBytesAsync(output, cancellationToken)
                    : throw new ApiException(StatusCodes.Status409Conflict, refusal.Code, refusal.Detail);
            }
            finally
            {
                File.Delete(output);
            }
        });

    private static string FactsKey(AnalysisRecord record) => record.Findings.Facts?.Key ?? throw new BlobNotFoundException(record.Id + "/facts");
}
