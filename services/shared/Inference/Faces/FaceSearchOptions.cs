using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Inference;

/// <summary>How thoroughly faces are searched.</summary>
public sealed class FaceSearchOptions
{
    /// <summary>Score above which the searching network's finding is looked at again.</summary>
    [Range(0.0, 1.0)]
    public float Candidate { get; set; } = 0.5f;

    /// <summary>Joint confidence of both networks above which it is a face.</summary>
    [Range(0.0, 1.0)]
    public float Accept { get; set; } = 0.75f;

    /// <summary>Side of the second look ÷ side of the box.</summary>
    [Range(1.0, 10.0)]
    public float ConfirmMargin { get; set; } = 1.8f;

    /// <summary>Pictures whose longer side exceeds this are also searched in tiles, pixels.</summary>
    [Range(64, 65_535)]
    public int TileAbove { get; set; } = 1024;

    /// <summary>Most tiles of one picture; very large pictures get larger tiles.</summary>
    [Range(1, 1_000)]
    public int MaxTiles { get; set; } = 12;

    /// <summary>Faces whose longer side is shorter than this are left out, pixels: too few to judge.</summary>
    [Range(1, 65_535)]
    public int MinSide { get; set; } = 32;

    /// <summary>Most faces examined; those with less confidence are dropped. No more than 48: a localizer's answer has a score of each, and a message stays under 4 kB.</summary>
    [Range(1, 48)]
    public int MaxFaces { get; set; } = 48;
}

/// <summary>Where the searching network looks.</summary>
internal static class FaceSearchGrid
{
    /// <summary>Neighbouring tiles share this part of their side, so that a face up to that size lies whole in one of them.</summary>
    private const double Shared = 0.25;

    /// <summary>Where neighbours share this part of the picture's shorter side, no face is too large for a tile and the square around the whole picture has nothing to add.</summary>
    private const double SharesFaces = 0.65;

    /// <summary>
    /// The square around the whole picture when that shows faces large enough. Else as few tiles as cover the picture, each between <see cref="FaceSearchOptions.TileAbove"/>÷1.25 and
    /// <see cref="FaceSearchOptions.TileAbove"/>÷1.1 pixels, the smaller the better; and the whole picture as well, unless the tiles overlap so far that every face lies whole in one of them.
    /// </summary>
    public static IReadOnlyList<Region> Squares(int width, int height, FaceSearchOptions options)
    {
        int longer = Math.Max(width, height);
        var whole = new Region((width - longer) / 2, (height - longer) / 2, longer, longer);
        if (longer <= options.TileAbove)
        {
            return [whole];
        }

        double smallest = options.TileAbove / 1.25, largest = options.TileAbove / 1.1;
        while (Tiles(width, height, largest) > options.MaxTiles)
        {
            largest *= 1.05;
        }

        int fewest = Tiles(width, height, largest);
        var sides = Enumerable.Range(0, 1 + (int)(largest - smallest)).Select(i => smallest + i).Append(largest).Where(side => Tiles(width, height, side) <= fewest).ToList();
        double apart = sides.Find(side => Math.Min(Common(width, side), Common(height, side)) >= SharesFaces * Math.Min(width, height));
        int tile = (int)Math.Ceiling(apart > 0 ? apart : sides[0]), columns = Count(width, tile), rows = Count(height, tile);
        var squares = new List<Region>();
        if (apart == 0)
        {
            squares.Add(whole);
        }

        for (int y = 0; y < rows; y++)
        {
            for (int x = 0; x < columns; x++)
            {
                squares.Add(new Region(Start(x, columns, width, tile), Start(y, rows, height, tile), tile, tile));
            }
        }

        return squares;
    }

    /// <summary>The squares in their order, those of the same rows of the picture together: of tiles side by side, none reaches beyond its left or right edge.</summary>
    public static IReadOnlyList<Region[]> Rows(IReadOnlyList<Region> squares) => [.. squares.GroupBy(square => (square.Y, square.Height)).Select(row => row.ToArray())];

    private static int Tiles(int width, int height, double side) => Count(width, side) * Count(height, side);

    private static int Count(int length, double side) => length <= side ? 1 : 1 + (int)Math.Ceiling((length - side) / (side * (1 - Shared)));

    private static int Start(int index, int count, int length, int tile) => count == 1 ? (length - tile) / 2 : (int)((long)(length - tile) * index / (count - 1));

    /// <summary>What two neighbours share, pixels.</summary>
    private static double Common(int length, double side) => length <= side ? length : side - ((length - side) / (Count(length, side) - 1));
}
