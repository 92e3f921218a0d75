using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Palimpsest.Inference;

/// <summary>
/// Bytes to tensor: rows of RGB bytes (H×W×3) into float planes (3×H×W) or interleaved floats (H×W×3), value = byte · factor[c] + offset[c].
/// </summary>
internal sealed class PixelPacker
{
    private readonly float[] factor = new float[3];
    private readonly float[] offset = new float[3];
    private readonly int[] source;

    private readonly bool uniform; // interleaved pixels become interleaved floats value by value

    // For each channel, which bytes of 48 interleaved ones are its sixteen: one mask for each of the three vectors.
    private readonly Vector128<byte>[] masks = new Vector128<byte>[9];

    public PixelPacker(PixelInput input)
    {
        Planar = input.Layout == "nchw";
        source = input.Channels == "rgb" ? [0, 1, 2] : [2, 1, 0];
        for (int c = 0; c < 3; c++)
        {
            factor[c] = (float)(input.Scale / input.Std[c]);
            offset[c] = (float)(-input.Mean[c] / input.Std[c]);
            for (int vector = 0; vector < 3; vector++)
            {
                masks[(c * 3) + vector] = Mask(source[c], vector);
            }
        }

        uniform = source[0] == 0 && factor.Distinct().Count() == 1 && offset.Distinct().Count() == 1;
    }

    /// <summary>True for planes, false for interleaved channels.</summary>
    public bool Planar { get; }

    /// <summary>Packs a region of a picture; what lies beyond the picture repeats its edge.</summary>
    /// <param name="rgb">The picture, H×W×3 bytes.</param>
    /// <param name="width">The picture's width, pixels.</param>
    /// <param name="height">The picture's height, pixels.</param>
    /// <param name="region">What to pack, at its own size.</param>
    /// <param name="tensor">3·region.Height·region.Width floats.</param>
    public void Pack(ReadOnlySpan<byte> rgb, int width, int height, Region region, Span<float> tensor)
    {
        int plane = region.Width * region.Height;
        int left = Math.Clamp(-region.X, 0, region.Width), first = Math.Max(region.X, 0);
        int inside = Math.Clamp(width - first, 0, region.Width - left), right = region.Width - left - inside;
        for (int y = 0; y < region.Height; y++)
        {
            var row = rgb.Slice(Math.Clamp(region.Y + y, 0, height - 1) * width * 3, width * 3);
            int at = y * region.Width;
            Fill(row[..3], tensor, plane, at, left);
            Row(row.Slice(inside > 0 ? first * 3 : 0, inside * 3), tensor, plane, at + left);
            Fill(row[^3..], tensor, plane, at + left + inside, right);
        }
    }

    private void Fill(ReadOnlySpan<byte> pixel, Span<float> tensor, int plane, int at, int count)
    {
        for (int c = 0; c < 3 && count > 0; c++)
        {
            float value = (pixel[source[c]] * factor[c]) + offset[c];
            if (Planar)
            {
                tensor.Slice((c * plane) + at, count).Fill(value);
                continue;
            }

            for (int i = 0; i < count; i++)
            {
                tensor[((at + i) * 3) + c] = value;
            }
        }
    }

    private void Row(ReadOnlySpan<byte> row, Span<float> tensor, int plane, int at)
    {
        if (row.IsEmpty)
        {
            return;
        }

        if (!Planar)
        {
            Interleaved(row, tensor.Slice(at * 3, row.Length));
            return;
        }

        int pixels = row.Length / 3, done = Vector128.IsHardwareAccelerated ? PackedRow(row, tensor, plane, at) : 0;
        for (int c = 0; c < 3; c++)
        {
            (float a, float b, int s) = (factor[c], offset[c], source[c]);
            var target = tensor.Slice((c * plane) + at, pixels);
            for (int i = done; i < pixels; i++)
            {
                target[i] = (row[(i * 3) + s] * a) + b;
            }
        }
    }

    private void Interleaved(ReadOnlySpan<byte> row, Span<float> target)
    {
        int done = 0;
        if (uniform && Vector128.IsHardwareAccelerated)
        {
            var (a, b) = (Vector128.Create(factor[0]), Vector128.Create(offset[0]));
            ref byte from = ref MemoryMarshal.GetReference(row);
            ref float to = ref MemoryMarshal.GetReference(target[..row.Length]);
            for (; done <= row.Length - 48; done += 16)
            {
                var (low, high) = Vector128.Widen(Vector128.LoadUnsafe(ref from, (nuint)done));
                Store(low, a, b, ref Unsafe.Add(ref to, done));
                Store(high, a, b, ref Unsafe.Add(ref to, done + 8));
            }

            done -= done % 3;
        }

        (float f0, float f1, float f2) = (factor[0], factor[1], factor[2]);
        (float o0, float o1, float o2) = (offset[0], offset[1], offset[2]);
        (int s0, int s1, int s2) = (source[0], source[1], source[2]);
        for (int i = done; i + 2 < row.Length && i + 2 < target.Length; i += 3)
        {
            target[i] = (row[i + s0] * f0) + o0;
            target[i + 1] = (row[i + s1] * f1) + o1;
            target[i + 2] = (row[i + s2] * f2) + o2;
        }
    }

    /// <summary>Sixteen pixels a step: 48 interleaved bytes are shuffled into one vector a channel and widened to floats.</summary>
    private int PackedRow(ReadOnlySpan<byte> row, Span<float> tensor, int plane, int at)
    {
        int blocks = row.Length / 48;
        ref byte from = ref MemoryMarshal.GetReference(row);
        for (int c = 0; c < 3; c++)
        {
            var (m0, m1, m2) = (masks[c * 3], masks[(c * 3) + 1], masks[(c * 3) + 2]);
            var (a, b) = (Vector128.Create(factor[c]), Vector128.Create(offset[c]));
            ref float to = ref MemoryMarshal.GetReference(tensor.Slice((c * plane) + at, blocks * 16));
            for (int k = 0; k < blocks; k++)
            {
                ref byte block = ref Unsafe.Add(ref from, k * 48);
                var bytes = Vector128.Shuffle(Vector128.LoadUnsafe(ref block), m0)
                    | Vector128.Shuffle(Vector128.LoadUnsafe(ref block, 16), m1)
                    | Vector128.Shuffle(Vector128.LoadUnsafe(ref block, 32), m2);
                var (low, high) = Vector128.Widen(bytes);
                ref float target = ref Unsafe.Add(ref to, k * 16);
                Store(low, a, b, ref target);
                Store(high, a, b, ref Unsafe.Add(ref target, 8));
            }
        }

        return blocks * 16;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector128<ushort> values, Vector128<float> a, Vector128<float> b, ref float target)
    {
        var (low, high) = Vector128.Widen(values);
        // Widened bytes are non-negative: the signed conversion is the same and has an instruction everywhere.
        ((Vector128.ConvertToSingle(low.AsInt32()) * a) + b).StoreUnsafe(ref target);
        ((Vector128.ConvertToSingle(high.AsInt32()) * a) + b).StoreUnsafe(ref target, 4);
    }

    /// <summary>Lane i of a channel is byte 3i + channel of the 48: it lies in the vector (3i + channel) / 16; index 255 selects nothing (zero).</summary>
    private static Vector128<byte> Mask(int channel, int vector)
    {
        Span<byte> lanes = stackalloc byte[16];
        for (int i = 0; i < 16; i++)
        {
            int at = (3 * i) + channel - (16 * vector);
            lanes[i] = at is >= 0 and < 16 ? (byte)at : (byte)255;
        }

        return Vector128.Create<byte>(lanes);
    }
}
