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
internal sealed class Pictures(IBlobStore blobs, DecoderPool decoders, RenderedImages rendered, ReportingOptions options) : IDisposable
{
    // The pool is also preprocessing's where both are one process: the other half is left to pictures that wait for a verdict.
    private readonly Turns turns = new(
        Math.Max(1, decoders.Processes / 2), Math.Max(1, decoders.Processes / 4), TimeSpan.FromSeconds(options.RenderWaitSeconds), "Too many pictures are being drawn. Try again later, or ask for fewer at once.");

    /// <summary>A map as grey PNG.</summary>
    /// <param name="record">Whose.</param>
    /// <param name="name">Its name among the evidence.</param>
    /// <param name="map">The map.</param>
    /// <param name="maxSide">Longest side, pixels; null for the upload's displayed size.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public Task<byte[]> MaskAsync(AnalysisRecord record, string name, BlobReference map, int? maxSide, CancellationToken cancellationToken) =>
        rendered.GetAsync(record.Id, $"{name}-{maxSide}", async () =>
        {
            var geometry = (await blobs.ReadFactsAsync(FactsKey(record), cancellationToken)).Geometry;
            var values = await blobs.ReadMapAsync(map.Key, cancellationToken);
            double scale = Math.Min(1, (maxSide ?? double.MaxValue) / Math.Max(geometry.DisplayedWidth, geometry.DisplayedHeight));
            return scale >= 1 ? MaskRenderer.RenderPng(values, geometry) : Small(new MapSampler(
                values, geometry, Math.Max(1, (int)(geometry.DisplayedWidth * scale)), Math.Max(1, (int)(geometry.DisplayedHeight * scale))));
        });

    private static byte[] Small(MapSampler sampler)
    {
        using var output = new MemoryStream();
        using (var png = new PngWriter(output, sampler.Width, sampler.Height, channels: 1))
        {
            var row = new byte[sampler.Width];
            for (int y = 0; y < sampler.Height; y++)
            {
                sampler.ReadRow(y, row);
                png.WriteRow(row);
            }
        }

        return output.ToArray();
    }

    /// <summary>The upload in displayed orientation, with the fused mask drawn over it when <paramref name="overlay"/>.</summary>
    /// <param name="record">Whose.</param>
    /// <param name="overlay">Draw the mask.</param>
    /// <param name="format">Encoding.</param>
    /// <param name="maxSide">Longest side, pixels; null for its own size.</param>
    /// <param name="cancellationToken">Stops waiting; what is being drawn is finished and kept: to stop it would be to kill its process.</param>
    /// <exception cref="ApiException">409: it cannot be rendered. 503 overloaded.</exception>
    public async Task<byte[]> RenderAsync(AnalysisRecord record, bool overlay, RenderFormat format, int? maxSide, CancellationToken cancellationToken)
    {
        string name = $"{(overlay ? "overlay" : "plain")}-{format}-{maxSide}";
        if (rendered.Find(record.Id, name) is { } known)
        {
            return known;
        }

        var turn = await turns.TakeAsync(record.Tenant, cancellationToken);
        return await FinishAsync().WaitAsync(cancellationToken);

        async Task<byte[]> FinishAsync()
        {
            using (turn)
            {
                return await rendered.GetAsync(record.Id, name, () => DrawAsync(record, overlay, format, maxSide));
            }
        }
    }

    public void Dispose() => turns.Dispose();

    private async Task<byte[]> DrawAsync(AnalysisRecord record, bool overlay, RenderFormat format, int? maxSide)
    {
        string output = blobs.CreateTemporaryPath();
        try
        {
            using var upload = await blobs.OpenLocalAsync(record.Request.Upload.Key, default);
            using var map = overlay && record.Findings.Result?.Map is { } fused ? await blobs.OpenLocalAsync(fused.Key, default) : null;
            var over = map is null ? default((string, Imaging.ImageGeometry)?) : (map.Path, (await blobs.ReadFactsAsync(FactsKey(record), default)).Geometry);
            var (_, refusal) = await decoders.RenderAsync(upload.Path, output, format, maxSide, over, default);
            return refusal is null ? await File.ReadAllBytesAsync(output) : throw new ApiException(StatusCodes.Status409Conflict, refusal.Code, refusal.Detail);
        }
        finally
        {
            File.Delete(output);
        }
    }

    private static string FactsKey(AnalysisRecord record) => record.Findings.Facts?.Key ?? throw new BlobNotFoundException(BlobKeys.Facts(record.Id));
}
