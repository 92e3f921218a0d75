using Palimpsest.Imaging;

namespace Palimpsest.Decoder.Evidence;

/// <summary>A map of a fixed scale: levels 0..255 in cells of 4×4 stored pixels.</summary>
internal sealed class LevelMap
{
    private readonly ProbabilityMap cells;

    private LevelMap(ProbabilityMap cells) => this.cells = cells;

    /// <summary>Levels, row-major.</summary>
    public byte[] Values => cells.Values;

    /// <summary>Cells a row.</summary>
    public int Width => cells.Width;

    /// <summary>Rows.</summary>
    public int Height => cells.Height;

    /// <summary>From one value for each square of <paramref name="side"/> pixels (a multiple of 4); pixels beyond the last square repeat it.</summary>
    /// <param name="width">Stored pixels.</param>
    /// <param name="height">Stored pixels.</param>
    /// <param name="side">Side of a square, pixels.</param>
    /// <param name="columns">Squares a row.</param>
    /// <param name="values">Row-major, on the method's own scale.</param>
    /// <param name="low">Value of level 0.</param>
    /// <param name="high">Value of level 255.</param>
    public static LevelMap FromSquares(int width, int height, int side, int columns, ReadOnlySpan<float> values, float low, float high)
    {
        var map = ProbabilityMap.Blank(width, height);
        int rows = values.Length / columns, per = side / ProbabilityMap.Cell;
        for (int y = 0; y < map.Height; y++)
        {
            var row = values.Slice(Math.Min(y / per, rows - 1) * columns, columns);
            for (int x = 0; x < map.Width; x++)
            {
                map.Values[(y * map.Width) + x] = Level(row[Math.Min(x / per, columns - 1)], low, high);
            }
        }

        return new LevelMap(map);
    }

    /// <summary>From a category for each cell, asked for at the cell's centre in stored pixels.</summary>
    public static LevelMap FromCategories(int width, int height, Func<double, double, byte> category)
    {
        var map = ProbabilityMap.Blank(width, height);
        for (int y = 0; y < map.Height; y++)
        {
            for (int x = 0; x < map.Width; x++)
            {
                map.Values[(y * map.Width) + x] = category((x + 0.5) * ProbabilityMap.Cell, (y + 0.5) * ProbabilityMap.Cell);
            }
        }

        return new LevelMap(map);
    }

    /// <summary>The stored form.</summary>
    public byte[] ToBytes() => cells.ToBytes();

    private static byte Level(float value, float low, float high) => (byte)Math.Clamp(((value - low) / (high - low) * 255f) + 0.5f, 0f, 255f);
}
