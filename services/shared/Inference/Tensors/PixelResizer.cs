using System.Buffers;
using System.Numerics;
using System.Runtime.Intrinsics;

namespace Palimpsest.Inference;

/// <summary>
/// Cuts a region out of a picture and resizes it, as training does with OpenCV: bilinear (INTER_LINEAR), or area average (INTER_AREA) when
/// shrinking by more than 1.6; what lies beyond the picture repeats its edge; the result is rounded to bytes.
/// </summary>
internal static class PixelResizer
{
    /// <summary>Above this shrinking factor pixels are averaged rather than interpolated (training/faces.py, <c>view</c>).</summary>
    public const double AreaAbove = 1.6;

    /// <summary>Resizes <paramref name="region"/> of a picture to width×height×3 bytes.</summary>
    public static void Resize(
        ReadOnlySpan<byte> rgb, int width, int height, Region region, Span<byte> target, int targetWidth, int targetHeight, double areaAbove = AreaAbove)
    {
        var columns = ResampleAxis.Resize(region.X, region.Width, width, targetWidth, areaAbove);
        var rows = ResampleAxis.Resize(region.Y, region.Height, height, targetHeight, areaAbove);
        var (first, last) = columns.Reach(0, targetWidth);
        int span = (last - first + 1) * 3;
        float[] line = ArrayPool<float>.Shared.Rent(span);
        try
        {
            for (int y = 0; y < targetHeight; y++)
            {
                // Rows are mixed first, in vectors over the source's columns: shrinking then leaves few values for the scalar pass.
                var mixed = line.AsSpan(0, span);
                mixed.Clear();
                for (int t = 0; t < rows.Taps; t++)
                {
                    float weight = rows.Weight[(y * rows.Taps) + t];
                    if (weight != 0)
                    {
                        Mix(rgb.Slice(((rows.Index[(y * rows.Taps) + t] * width) + first) * 3, span), weight, mixed);
                    }
                }

                Columns(mixed, first, columns, target.Slice(y * targetWidth * 3, targetWidth * 3));
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(line);
        }
    }

    private static void Mix(ReadOnlySpan<byte> row, float weight, Span<float> mixed)
    {
        int i = 0;
        if (Vector128.IsHardwareAccelerated)
        {
            var w = Vector128.Create(weight);
            for (; i <= row.Length - 16; i += 16)
            {
                var (low, high) = Vector128.Widen(Vector128.Create(row.Slice(i, 16)));
                var (a, b) = Vector128.Widen(low);
                var (c, d) = Vector128.Widen(high);
                var to = mixed.Slice(i, 16);
                Add(a, w, to);
                Add(b, w, to[4..]);
                Add(c, w, to[8..]);
                Add(d, w, to[12..]);
            }
        }

        for (; i < row.Length; i++)
        {
            mixed[i] += row[i] * weight;
        }
    }

    private static void Add(Vector128<uint> values, Vector128<float> weight, Span<float> to) =>
        (Vector128.Create<float>(to) + (Vector128.ConvertToSingle(values.AsInt32()) * weight)).CopyTo(to);

    private static void Columns(ReadOnlySpan<float> mixed, int first, ResampleAxis columns, Span<byte> target)
    {
        int taps = columns.Taps;
        for (int x = 0, o = 0; x < columns.Length; x++, o += 3)
        {
            float r = 0, g = 0, b = 0;
            for (int t = x * taps; t < (x + 1) * taps; t++)
            {
                float weight = columns.Weight[t];
                int at = (columns.Index[t] - first) * 3;
                r += mixed[at] * weight;
                g += mixed[at + 1] * weight;
                b += mixed[at + 2] * weight;
            }

            target[o] = Round(r);
            target[o + 1] = Round(g);
            target[o + 2] = Round(b);
        }
    }

    private static byte Round(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);
}
