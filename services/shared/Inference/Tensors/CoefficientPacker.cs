using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

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
            int done = PackEights(blocks, count, plane, tensor[(y * wide)..]);
            for (int k = 0; k < count && done < columns; k++)
            {
                var target = tensor.Slice((k * plane) + (y * wide), columns);
                for (int x = done; x < target.Length; x++)
                {
                    target[x] = blocks[(x * 64) + k];
                }
            }
        }
    }

    /// <summary>Eight blocks and eight of their coefficients at a time, as a matrix that is transposed; how many blocks of the row it packed.</summary>
    private static int PackEights(ReadOnlySpan<short> blocks, int count, int plane, Span<float> row)
    {
        int whole = Sse2.IsSupported || AdvSimd.Arm64.IsSupported ? blocks.Length / 512 * 8 : 0;
        ref float first = ref MemoryMarshal.GetReference(row[..(whole > 0 ? ((count - 1) * plane) + whole : 0)]);
        for (int x = 0; x < whole; x += 8)
        {
            for (int k = 0; k < count; k += 8)
            {
                ref short corner = ref Unsafe.AsRef(in blocks[(x * 64) + k]);
                Vector128<short>
                    a = Of(ref corner, 0), b = Of(ref corner, 1), c = Of(ref corner, 2), d = Of(ref corner, 3),
                    e = Of(ref corner, 4), f = Of(ref corner, 5), g = Of(ref corner, 6), h = Of(ref corner, 7);
                // Interleaving halves three times is transposing.
                (a, b, c, d, e, f, g, h) = (Low(a, e), High(a, e), Low(b, f), High(b, f), Low(c, g), High(c, g), Low(d, h), High(d, h));
                (a, b, c, d, e, f, g, h) = (Low(a, e), High(a, e), Low(b, f), High(b, f), Low(c, g), High(c, g), Low(d, h), High(d, h));
                (a, b, c, d, e, f, g, h) = (Low(a, e), High(a, e), Low(b, f), High(b, f), Low(c, g), High(c, g), Low(d, h), High(d, h));
                int left = count - k;
                ref float target = ref Unsafe.Add(ref first, ((nint)k * plane) + x);
                Store(a, ref target);
                StoreIf(left > 1, b, ref target, plane);
                StoreIf(left > 2, c, ref target, 2 * plane);
                StoreIf(left > 3, d, ref target, 3 * plane);
                StoreIf(left > 4, e, ref target, 4 * plane);
                StoreIf(left > 5, f, ref target, 5 * plane);
                StoreIf(left > 6, g, ref target, 6 * plane);
                StoreIf(left > 7, h, ref target, 7 * plane);
            }
        }

        return whole;
    }

    private static Vector128<short> Of(ref short corner, int block) => Vector128.LoadUnsafe(ref corner, (nuint)(block * 64));

    private static Vector128<short> Low(Vector128<short> a, Vector128<short> b) => Sse2.IsSupported ? Sse2.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    private static Vector128<short> High(Vector128<short> a, Vector128<short> b) => Sse2.IsSupported ? Sse2.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);

    private static void StoreIf(bool wanted, Vector128<short> values, ref float target, int offset)
    {
        if (wanted)
        {
            Store(values, ref Unsafe.Add(ref target, offset));
        }
    }

    private static void Store(Vector128<short> values, ref float target)
    {
        var (lower, upper) = Vector128.Widen(values);
        Vector128.ConvertToSingle(lower).StoreUnsafe(ref target);
        Vector128.ConvertToSingle(upper).StoreUnsafe(ref target, 4);
    }
}
