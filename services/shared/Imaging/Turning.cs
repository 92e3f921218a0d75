using System.Runtime.InteropServices;

namespace Palimpsest.Imaging;

/// <summary>
/// Stored grids to the way a viewer shows them, by EXIF orientation 1..8 (TIFF 6.0 tag 274). <see cref="ImageGeometry.ToDisplayed(double, double)"/> does the same to points.
/// </summary>
public static class Turning
{
    /// <summary>A large grid is turned in squares of this side: one axis is read against the grain, and a square stays in the processor's cache.</summary>
    private const int Square = 32;

    /// <summary>Orientations 5..8 swap the axes.</summary>
    public static bool SwapsAxes(int orientation) => orientation >= 5;

    /// <summary>Size of a turned grid; of a stored one, from the turned one's.</summary>
    public static (int Width, int Height) Size(int width, int height, int orientation) => SwapsAxes(orientation) ? (height, width) : (width, height);

    /// <summary>The orientation that undoes one.</summary>
    public static int Inverse(int orientation) => orientation switch { 6 => 8, 8 => 6, _ => orientation };

    /// <summary>Orientations 2, 3, 7 and 8 mirror the stored x axis.</summary>
    public static bool MirrorsX(int orientation) => orientation is 2 or 3 or 7 or 8;

    /// <summary>Orientations 3, 4, 6 and 7 mirror the stored y axis.</summary>
    public static bool MirrorsY(int orientation) => orientation is 3 or 4 or 6 or 7;

    /// <summary>Turns pixels of three bytes, each moved as one: a fifth to a half faster than byte by byte.</summary>
    public static void ApplyRgb(ReadOnlySpan<byte> stored, int width, int height, int orientation, Span<byte> shown) =>
        Apply(MemoryMarshal.Cast<byte, Rgb>(stored), width, height, 1, orientation, MemoryMarshal.Cast<byte, Rgb>(shown));

    /// <summary>Turns a grid.</summary>
    /// <param name="stored">height×width×channels values.</param>
    /// <param name="width">Stored columns.</param>
    /// <param name="height">Stored rows.</param>
    /// <param name="channels">Values a cell.</param>
    /// <param name="orientation">EXIF orientation 1..8.</param>
    /// <param name="shown">As many values: width×height×channels when the axes are swapped. Must not overlap <paramref name="stored"/>.</param>
    public static void Apply<T>(ReadOnlySpan<T> stored, int width, int height, int channels, int orientation, Span<T> shown)
    {
        bool mirrorX = MirrorsX(orientation), mirrorY = MirrorsY(orientation);
        int stepX = mirrorX ? -channels : channels, stepY = (mirrorY ? -width : width) * channels;
        int start = ((mirrorY ? (height - 1) * width : 0) + (mirrorX ? width - 1 : 0)) * channels;
        var (across, down) = SwapsAxes(orientation) ? (stepY, stepX) : (stepX, stepY);
        var (columns, rows) = Size(width, height, orientation);
        for (int top = 0; top < rows; top += Square)
        {
            for (int left = 0; left < columns; left += Square)
            {
                int right = Math.Min(left + Square, columns);
                for (int y = top; y < Math.Min(top + Square, rows); y++)
                {
                    int from = start + (left * across) + (y * down), to = ((y * columns) + left) * channels;
                    for (int x = left; x < right; x++, from += across, to += channels)
                    {
                        for (int c = 0; c < channels; c++)
                        {
                            shown[to + c] = stored[from + c];
                        }
                    }
                }
            }
        }
    }

    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    private readonly record struct Rgb(byte Red, byte Green, byte Blue);
}
