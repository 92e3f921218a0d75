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
/// <param name="Values">Row-major, Width·Height values.</param>
internal sealed record Plane(int Width, int Height, float[] Values);
