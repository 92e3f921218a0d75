using Palimpsest.Contracts;
using Palimpsest.Decoder.Evidence.Matching;

namespace Palimpsest.Decoder.Evidence;

/// <summary>Areas and their copies in the plane they were found in; 1 an area, 2 its copy.</summary>
internal sealed class CopyMap(int width, int height)
{
    private readonly byte[] categories = new byte[width * height];

    /// <summary>Draws an area and its image; returns the boxes of both.</summary>
    public (PixelBox From, PixelBox To) Draw(bool[] mask, Similarity transform)
    {
        var (from, to) = (new Extent(), new Extent());
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                if (mask[(y * width) + x])
                {
                    categories[(y * width) + x] = 1;
                    from.Add(x, y);
                }
            }
        }

        // Backwards, so that an enlarged copy has no holes.
        var back = transform.Inverse();
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                var (u, v) = back.Apply(x, y);
                int i = (int)Math.Round(u), j = (int)Math.Round(v);
                if (i >= 0 && j >= 0 && i < width && j < height && mask[(j * width) + i])
                {
                    categories[(y * width) + x] = 2;
                    to.Add(x, y);
                }
            }
        }

        return (from.ToBox(), to.ToBox());
    }

    /// <summary>In cells of the stored picture.</summary>
    public LevelMap ToLevels(int storedWidth, int storedHeight) =>
        LevelMap.FromCategories(storedWidth, storedHeight, (x, y) => categories[(Math.Min((int)(y * height / storedHeight), height - 1) * width) + Math.Min((int)(x * width / storedWidth), width - 1)]);

    private sealed class Extent
    {
        private int left = int.MaxValue, top = int.MaxValue, right = -1, bottom = -1;

        public void Add(int x, int y) => (left, top, right, bottom) = (Math.Min(left, x), Math.Min(top, y), Math.Max(right, x + 1), Math.Max(bottom, y + 1));

        public PixelBox ToBox() => right < 0 ? new PixelBox { X = 0, Y = 0, Width = 0, Height = 0 } : new PixelBox { X = left, Y = top, Width = right - left, Height = bottom - top };
    }
}
