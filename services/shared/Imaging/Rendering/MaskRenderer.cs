namespace Palimpsest.Imaging.Rendering;

/// <summary>Renders a probability map as the mask the API shows: 8-bit grey PNG, exactly the displayed size, value = 255 × probability.</summary>
public static class MaskRenderer
{
    /// <summary>The mask as PNG.</summary>
    public static byte[] RenderPng(ProbabilityMap map, ImageGeometry geometry)
    {
        using var output = new MemoryStream();
        RenderPng(map, geometry, output);
        return output.ToArray();
    }

    /// <summary>The mask as PNG, written row by row.</summary>
    public static void RenderPng(ProbabilityMap map, ImageGeometry geometry, Stream output)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        var sampler = new MapSampler(map, geometry, geometry.DisplayedWidth, geometry.DisplayedHeight);
        using var png = new PngWriter(output, sampler.Width, sampler.Height, channels: 1);
        var row = new byte[sampler.Width];
        for (int y = 0; y < sampler.Height; y++)
        {
            sampler.ReadRow(y, row);
            png.WriteRow(row);
        }
    }

    /// <summary>The mask as values, height×width bytes in displayed orientation, for measuring against a reference mask.</summary>
    public static byte[] RenderValues(ProbabilityMap map, ImageGeometry geometry)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        var sampler = new MapSampler(map, geometry, geometry.DisplayedWidth, geometry.DisplayedHeight);
        var values = new byte[checked(sampler.Width * sampler.Height)];
        for (int y = 0; y < sampler.Height; y++)
        {
            sampler.ReadRow(y, values.AsSpan(y * sampler.Width, sampler.Width));
        }

        return values;
    }
}
