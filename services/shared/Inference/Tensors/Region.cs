using System.Buffers;
using System.Runtime.InteropServices;

namespace Palimpsest.Inference;

/// <summary>A rectangle of analysed pixels; it may reach beyond the picture, whose edge is then repeated.</summary>
/// <param name="X">Left edge.</param>
/// <param name="Y">Top edge.</param>
/// <param name="Width">Pixels.</param>
/// <param name="Height">Pixels.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Region(int X, int Y, int Width, int Height);

/// <summary>One channel of a network's output for one item.</summary>
/// <param name="Width">Columns.</param>
/// <param name="Height">Rows.</param>
/// <param name="Values">Row-major, at least Width·Height values.</param>
internal sealed record Plane(int Width, int Height, float[] Values)
{
    /// <summary>The Width·Height values.</summary>
    public Span<float> Span => Values.AsSpan(0, Width * Height);

    /// <summary>A plane in pooled memory; a megapixel's planes would otherwise churn the large-object heap. What it holds is left over.</summary>
    public static Plane Rent(int width, int height) => new(width, height, ArrayPool<float>.Shared.Rent(width * height));

    /// <summary>Gives a rented plane's memory back; the plane must not be read afterwards.</summary>
    public void Return() => ArrayPool<float>.Shared.Return(Values);
}
