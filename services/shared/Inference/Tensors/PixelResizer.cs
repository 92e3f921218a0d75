using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
        ReadOnlySpan<byte> rgb, int width, int height, Region region, Span<byte> target, int targetWidth, int targetHeight, double areaAbove = AreaAbove) =>
        ResizeRow(rgb, width, height, [region], target, targetWidth, targetHeight, areaAbove);

    /// <summary>Resizes regions of the same rows, each to width×height×3 bytes, one after the other in <paramref name="targets"/>. Where they overlap, their rows are mixed once.</summary>
    public static void ResizeRow(
        ReadOnlySpan<byte> rgb, int width, int height, ReadOnlySpan<Region> regions, Span<byte> targets, int targetWidth, int targetHeight, double areaAbove = AreaAbove)
    {
        var rows = ResampleAxis.Resize(regions[0].Y, regions[0].Height, height, targetHeight, areaAbove);
        var columns = new ResampleAxis[regions.Length];
        for (int i = 0; i < columns.Length; i++)
        {
            columns[i] = ResampleAxis.Resize(regions[i].X, regions[i].Width, width, targetWidth, areaAbove);
        }

        int first = columns.Min(axis => axis.Index.Min()), span = (columns.Max(axis => axis.Index.Max()) - first + 1) * 3;
        int[][] offsets = [.. columns.Select(axis => axis.Index.Select(index => (index - first) * 3).ToArray())];
        float[] line = ArrayPool<float>.Shared.Rent(span + 1);
        line[span] = 0;
        try
        {
            for (int y = 0; y < targetHeight; y++)
            {
                // Rows are mixed first, in vectors over the source's columns: shrinking then leaves few values for the pass over pixels.
                Mix(rgb, first * 3, width * 3, rows.Index.AsSpan(y * rows.Taps, rows.Taps), rows.Weight.AsSpan(y * rows.Taps, rows.Taps), line.AsSpan(0, span));
                for (int i = 0; i < columns.Length; i++)
                {
                    Columns(line.AsSpan(0, span + 1), offsets[i], columns[i].Weight, columns[i].Taps, targets.Slice(((i * targetHeight) + y) * targetWidth * 3, targetWidth * 3));
                }
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(line);
        }
    }

    /// <summary>Cuts a region out at its own size; what lies beyond the picture repeats its edge.</summary>
    public static void Cut(ReadOnlySpan<byte> rgb, int width, int height, Region region, Span<byte> target)
    {
        int left = Math.Clamp(-region.X, 0, region.Width), first = Math.Max(region.X, 0);
        int inside = Math.Clamp(width - first, 0, region.Width - left);
        for (int y = 0; y < region.Height; y++)
        {
            var row = rgb.Slice(Math.Clamp(region.Y + y, 0, height - 1) * width * 3, width * 3);
            var line = target.Slice(y * region.Width * 3, region.Width * 3);
            row.Slice(inside > 0 ? first * 3 : 0, inside * 3).CopyTo(line[(left * 3)..]);
            for (int at = 0; at < left * 3; at++)
            {
                line[at] = row[at % 3];
            }

            for (int at = (left + inside) * 3; at < line.Length; at++)
            {
                line[at] = row[row.Length - 3 + (at % 3)];
            }
        }
    }

    /// <summary>The weighted sum of a few rows, each from <paramref name="offset"/> on. Every value is summed row by row, in order and fused, whatever the width of the vectors: the same bytes on every machine.</summary>
    private static unsafe void Mix(ReadOnlySpan<byte> rgb, int offset, int stride, ReadOnlySpan<int> rows, ReadOnlySpan<float> weights, Span<float> mixed)
    {
        // An area's last row mostly has no share in it.
        while (rows.Length > 1 && weights[rows.Length - 1] == 0)
        {
            rows = rows[..^1];
        }

        int i = 0;
        if (Avx2.IsSupported)
        {
            // The slice checks every access below: the last row's last column must lie in the picture.
            int last = 0;
            foreach (int row in rows)
            {
                last = Math.Max(last, row);
            }

            fixed (byte* from = rgb.Slice(offset, (last * stride) + mixed.Length))
            fixed (float* to = mixed)
            {
                for (; i <= mixed.Length - 32; i += 32)
                {
                    var (a, b, c, d) = (Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero, Vector256<float>.Zero);
                    for (int t = 0; t < rows.Length; t++)
                    {
                        var weight = Vector256.Create(weights[t]);
                        byte* row = from + (rows[t] * stride) + i;
                        a = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(row)), weight, a);
                        b = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(row + 8)), weight, b);
                        c = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(row + 16)), weight, c);
                        d = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32(row + 24)), weight, d);
                    }

                    a.Store(to + i);
                    b.Store(to + i + 8);
                    c.Store(to + i + 16);
                    d.Store(to + i + 24);
                }
            }
        }

        for (; i < mixed.Length; i++)
        {
            float sum = 0;
            for (int t = 0; t < rows.Length; t++)
            {
                sum = MathF.FusedMultiplyAdd(rgb[(rows[t] * stride) + offset + i], weights[t], sum);
            }

            mixed[i] = sum;
        }
    }

    /// <summary>The weighted sums of a few pixels of the mixed row for each target pixel, rounded to bytes.</summary>
    /// <param name="mixed">A row, one float longer than its pixels.</param>
    /// <param name="offsets">Where each tap's pixel begins in it.</param>
    /// <param name="weights">Each tap's share.</param>
    /// <param name="taps">Taps of a target pixel.</param>
    /// <param name="target">Bytes of the target's row.</param>
    private static void Columns(ReadOnlySpan<float> mixed, ReadOnlySpan<int> offsets, ReadOnlySpan<float> weights, int taps, Span<byte> target)
    {
        // One vector holds red, green, blue and a fourth lane that nobody reads: the row has a float more than its pixels.
        ref float from = ref MemoryMarshal.GetReference(mixed); // spans the axis' whole reach, see Resize
        ref int offset = ref MemoryMarshal.GetReference(offsets);
        ref float weight = ref MemoryMarshal.GetReference(weights);
        var (zero, half, top) = (Vector128<float>.Zero, Vector128.Create(0.5f), Vector128.Create(255f));
        nint tap = 0;
        for (int o = 0; o < target.Length; o += 3)
        {
            var sum = zero;
            for (nint end = tap + taps; tap < end; tap++)
            {
                sum = Vector128.FusedMultiplyAdd(Vector128.LoadUnsafe(ref from, (nuint)Unsafe.Add(ref offset, tap)), Vector128.Create(Unsafe.Add(ref weight, tap)), sum);
            }

            var rounded = Vector128.ConvertToInt32(Vector128.Min(Vector128.Max(sum + half, zero), top));
            target[o] = (byte)rounded[0];
            target[o + 1] = (byte)rounded[1];
            target[o + 2] = (byte)rounded[2];
        }
    }
}
