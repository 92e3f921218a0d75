using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
        float[] line = ArrayPool<float>.Shared.Rent(span + 1);
        line[span] = 0;
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

                Columns(line.AsSpan(0, span + 1), first, columns, target.Slice(y * targetWidth * 3, targetWidth * 3));
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
        if (Vector256.IsHardwareAccelerated && mixed.Length >= row.Length)
        {
            var w = Vector256.Create(weight);
            ref byte from = ref MemoryMarshal.GetReference(row);
            ref float to = ref MemoryMarshal.GetReference(mixed);
            for (; i <= row.Length - 32; i += 32)
            {
                var (low, high) = Vector256.Widen(Vector256.LoadUnsafe(ref from, (nuint)i));
                var (a, b) = Vector256.Widen(low);
                var (c, d) = Vector256.Widen(high);
                Add(a, w, ref Unsafe.Add(ref to, i));
                Add(b, w, ref Unsafe.Add(ref to, i + 8));
                Add(c, w, ref Unsafe.Add(ref to, i + 16));
                Add(d, w, ref Unsafe.Add(ref to, i + 24));
            }
        }

        for (; i < row.Length; i++)
        {
            mixed[i] += row[i] * weight;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<uint> values, Vector256<float> weight, ref float to) =>
        (Vector256.LoadUnsafe(ref to) + (Vector256.ConvertToSingle(values.AsInt32()) * weight)).StoreUnsafe(ref to);

    private static void Columns(ReadOnlySpan<float> mixed, int first, ResampleAxis columns, Span<byte> target)
    {
        // One vector holds red, green, blue and a fourth lane that nobody reads: the row has a float more than its pixels.
        int taps = columns.Taps;
        var (zero, half, top) = (Vector128<float>.Zero, Vector128.Create(0.5f), Vector128.Create(255f));
        for (int x = 0, o = 0; x < columns.Length; x++, o += 3)
        {
            var sum = zero;
            for (int t = x * taps; t < (x + 1) * taps; t++)
            {
                sum += Vector128.Create(mixed.Slice((columns.Index[t] - first) * 3, 4)) * columns.Weight[t];
            }

            var rounded = Vector128.ConvertToInt32(Vector128.Min(Vector128.Max(sum + half, zero), top));
            target[o] = (byte)rounded[0];
            target[o + 1] = (byte)rounded[1];
            target[o + 2] = (byte)rounded[2];
        }
    }
}
