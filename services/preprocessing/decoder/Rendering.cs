using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder;

/// <summary>Upload → a picture for people, in displayed orientation, with a probability map drawn over it when asked. Carries no metadata of the upload.</summary>
internal static class Rendering
{
    /// <summary>Decodes, reduces, turns, draws, encodes.</summary>
    /// <exception cref="RefusalException">The picture cannot be decoded.</exception>
    public static RenderedImage Render(RenderRequest request)
    {
        using var upload = Upload.Open(request.Upload, request.Limits);
        double scale = Math.Min(1, (request.MaxSide ?? int.MaxValue) / (double)Math.Max(upload.Image.Width, upload.Image.Height));
        using var stored = upload.Decode(Scaled(upload.Image.Width), Scaled(upload.Image.Height));
        using var image = stored.AsImage();
        using var turned = RgbDecoding.Orient(image, upload.Orientation);
        using var displayed = turned.ToPixels();
        if (request is { Map: { } map, Geometry: { } geometry })
        {
            var sampler = new MapSampler(ProbabilityMap.FromBytes(File.ReadAllBytes(map)), geometry, displayed.Width, displayed.Height);
            OverlayRenderer.Blend(displayed.Span, sampler);
        }

        Encode(displayed, request);
        return new RenderedImage(displayed.Width, displayed.Height);

        int Scaled(int side) => Math.Max(1, (int)Math.Round(side * scale, MidpointRounding.AwayFromZero));
    }

    private static void Encode(VipsPixels pixels, RenderRequest request)
    {
        if (request.Format == RenderFormat.Png)
        {
            using var file = File.Create(request.Output);
            using var png = new PngWriter(file, pixels.Width, pixels.Height, pixels.Bands);
            for (int y = 0; y < pixels.Height; y++)
            {
                png.WriteRow(pixels.Row(y));
            }

            return;
        }

        using var image = pixels.AsImage();
        File.WriteAllBytes(request.Output, request.Format == RenderFormat.Jpeg
            ? image.Encode("jpegsave_buffer", ("Q", "90"), ("keep", "none"))
            : image.Encode("webpsave_buffer", ("Q", "85"), ("effort", "2"), ("keep", "none")));
    }
}
