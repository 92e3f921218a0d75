namespace Palimpsest.Inference;

/// <summary>Quantised DCT coefficients to tensor: int16 blocks of 64 in zigzag order become the first K coefficient planes, K×H/8×W/8 floats.</summary>
internal static class CoefficientPacker
{
    /// <summary>Packs the blocks under a region whose corner lies on the 8×8 grid; blocks beyond the file's own are zero.</summary>
    /// <param name="coefficients">blocksHigh×blocksWide×64.</param>
    /// <param name="blocksWide">Blocks a row in the file.</param>
    /// <param name="blocksHigh">Rows of blocks in the file.</param>
    /// <param name="region">Pixels; all four numbers multiples of 8, not negative.</param>
    /// <param name="count">K, 1..64.</param>
    /// <param name="tensor">K·(Height/8)·(Width/8) floats.</param>
    public static void Pack(ReadOnlySpan<short> coefficients, int blocksWide, int blocksHigh, Region region, int count, Span<float> tensor)
    {
        if (((region.X | region.Y | region.Width | region.Height) & 7) != 0 || region.X < 0 || region.Y < 0)
        {
            throw new ArgumentException("A region with coefficients lies on the 8×8 grid.", nameof(region));
        }

        int wide = region.Width / 8, high = region.Height / 8, plane = wide * high, x0 = region.X / 8, y0 = region.Y / 8;
        int columns = Math.Clamp(blocksWide - x0, 0, wide), rows = Math.Clamp(blocksHigh - y0, 0, high);
        if (columns < wide || rows < high)
        {
            tensor[..(count * plane)].Clear();
        }

        for (int y = 0; y < rows; y++)
        {
            var blocks = coefficients.Slice((((y0 + y) * blocksWide) + x0) * 64, columns * 64);
            for (int k = 0; k < count; k++)
            {
                var target = tensor.Slice((k * plane) + (y * wide), columns);
                for (int x = 0; x < target.Length; x++)
                {
                    target[x] = blocks[(x * 64) + k];
                }
            }
        }
    }
}
