namespace Palimpsest.Inference;

/// <summary>How thoroughly faces are searched.</summary>
public sealed class FaceSearchOptions
{
    /// <summary>Score above which the searching network's finding is looked at again.</summary>
    public float Candidate { get; set; } = 0.5f;

    /// <summary>Joint confidence of both networks above which it is a face.</summary>
    public float Accept { get; set; } = 0.75f;

    /// <summary>Side of the second look ÷ side of the box.</summary>
    public float ConfirmMargin { get; set; } = 1.8f;

    /// <summary>Pictures whose longer side exceeds this are also searched in tiles, pixels.</summary>
    public int TileAbove { get; set; } = 1024;

    /// <summary>Most tiles of one picture; very large pictures get larger tiles.</summary>
    public int MaxTiles { get; set; } = 12;

    /// <summary>Faces whose longer side is shorter than this are left out, pixels: too few to judge.</summary>
    public int MinSide { get; set; } = 32;

    /// <summary>Most faces examined; those with less confidence are dropped.</summary>
    public int MaxFaces { get; set; } = 48;
}

/// <summary>Where the searching network looks.</summary>
internal static class FaceSearchGrid
{
    /// <summary>Neighbouring tiles share this part of their side, so that a face up to that size lies whole in one of them.</summary>
    private const double Shared = 0.25;

    /// <summary>The square around the whole picture, then tiles of at least <see cref="FaceSearchOptions.TileAbove"/>÷1.25 pixels that cover it.</summary>
    public static IEnumerable<Region> Squares(int width, int height, FaceSearchOptions options)
    {
        int longer = Math.Max(width, height);
        yield return new Region((width - longer) / 2, (height - longer) / 2, longer, longer);
        if (longer <= options.TileAbove)
        {
            yield break;
        }

        double side = options.TileAbove / 1.25;
        while (Count(width, side) * Count(height, side) > options.MaxTiles)
        {
            side *= 1.05;
        }

        int tile = (int)Math.Ceiling(side), columns = Count(width, side), rows = Count(height, side);
        for (int y = 0; y < rows; y++)
        {
            for (int x = 0; x < columns; x++)
            {
                yield return new Region(Start(x, columns, width, tile), Start(y, rows, height, tile), tile, tile);
            }
        }
    }

    private static int Count(int length, double side) => length <= side ? 1 : 1 + (int)Math.Ceiling((length - side) / (side * (1 - Shared)));

    private static int Start(int index, int count, int length, int tile) => count == 1 ? (length - tile) / 2 : (int)((long)(length - tile) * index / (count - 1));
}
