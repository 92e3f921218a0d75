namespace Palimpsest.Inference;

/// <summary>Which parts of a picture a native-resolution network looks at, one by one.</summary>
internal static class TileGrid
{
    /// <summary>
    /// The whole picture padded to the network's multiple, or, above the manifest's limit, equal tiles that cover it with at least the
    /// manifest's overlap. Corners lie at multiples of 8, so that JPEG blocks stay whole; the last tiles may reach up to 7 pixels beyond.
    /// </summary>
    public static IReadOnlyList<Region> Cover(int width, int height, ModelManifest manifest)
    {
        int multiple = manifest.Size.MultipleOf;
        var tiling = manifest.Tiling;
        if ((long)width * height <= tiling.MaxPixels)
        {
            return [new Region(0, 0, RoundUp(width, multiple), RoundUp(height, multiple))];
        }

        int tileWidth = Math.Min(tiling.Tile, RoundUp(width, multiple)), tileHeight = Math.Min(tiling.Tile, RoundUp(height, multiple));
        return [.. from y in Starts(height, tileHeight, tiling.Overlap)
                   from x in Starts(width, tileWidth, tiling.Overlap)
                   select new Region(x, y, tileWidth, tileHeight)];
    }

    private static IEnumerable<int> Starts(int length, int tile, int overlap)
    {
        int last = Math.Max(0, RoundUp(length - tile, 8));
        // Starts are rounded to 8 pixels, which may cost up to 8 of the overlap.
        int count = last == 0 ? 1 : 1 + (int)Math.Ceiling((double)last / (tile - overlap - 8));
        return Enumerable.Range(0, count).Select(i => count == 1 ? 0 : (int)Math.Round((double)last * i / (count - 1) / 8) * 8);
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
}
