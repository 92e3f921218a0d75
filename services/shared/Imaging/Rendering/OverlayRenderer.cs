namespace Palimpsest.Imaging.Rendering;

/// <summary>Draws a probability map over a picture: untouched where nothing was found, from yellow to red where something was.</summary>
public static class OverlayRenderer
{
    /// <summary>Opacity of the colour at probability 1, of 256.</summary>
    private const int FullOpacity = 144;

    /// <summary>Blends the heat colours into RGB rows of the sampler's size, in place.</summary>
    /// <param name="rgb">Displayed orientation, height×width×3 bytes.</param>
    /// <param name="sampler">The map at the same size.</param>
    public static void Blend(Span<byte> rgb, MapSampler sampler)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentOutOfRangeException.ThrowIfNotEqual(rgb.Length, checked(sampler.Width * sampler.Height * 3));
        var probabilities = new byte[sampler.Width];
        for (int y = 0; y < sampler.Height; y++)
        {
            sampler.ReadRow(y, probabilities);
            BlendRow(rgb.Slice(y * sampler.Width * 3, sampler.Width * 3), probabilities);
        }
    }

    private static void BlendRow(Span<byte> rgb, ReadOnlySpan<byte> probabilities)
    {
        for (int x = 0; x < probabilities.Length; x++)
        {
            int p = probabilities[x];
            if (p == 0)
            {
                continue;
            }

            // Yellow (255, 224, 0) at low, red (255, 0, 32) at high probability; the opacity rises with it.
            int opacity = p * FullOpacity / 255, keep = 256 - opacity, at = x * 3;
            int green = 224 - (224 * p / 255), blue = 32 * p / 255;
            rgb[at] = (byte)(((rgb[at] * keep) + (255 * opacity)) >> 8);
            rgb[at + 1] = (byte)(((rgb[at + 1] * keep) + (green * opacity)) >> 8);
            rgb[at + 2] = (byte)(((rgb[at + 2] * keep) + (blue * opacity)) >> 8);
        }
    }
}
