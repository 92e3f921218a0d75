using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Tests.Inference;

/// <summary>Prepared images from a formula.</summary>
internal static class TestPicture
{
    public static AnalysisOptions Options { get; } = new();

    /// <summary>Writes a prepared image whose pixels a function gives.</summary>
    public static string Write(int width, int height, Func<int, int, (byte R, byte G, byte B)> pixel, IReadOnlyList<Face>? faces = null, Func<int, int, int, short>? coefficient = null, JpegFacts? jpeg = null, int orientation = 1)
    {
        string path = Path.GetTempFileName();
        using var file = File.Create(path);
        file.Position = PreparedImage.HeaderBytes;
        var row = new byte[width * 3];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                (row[3 * x], row[(3 * x) + 1], row[(3 * x) + 2]) = pixel(x, y);
            }

            file.Write(row);
        }

        int wide = coefficient is null ? 0 : (width + 7) / 8, high = coefficient is null ? 0 : (height + 7) / 8;
        long offset = PreparedImage.Align(file.Position);
        file.Position = offset;
        for (int i = 0; i < wide * high * 64; i++)
        {
            file.Write(BitConverter.GetBytes(coefficient!(i / 64 % wide, i / 64 / wide, i % 64)));
        }

        var facts = new ImageFacts
        {
            Format = jpeg is null ? "png" : "jpeg",
            Geometry = new ImageGeometry { StoredWidth = width, StoredHeight = height, AnalysedWidth = width, AnalysedHeight = height, Orientation = orientation },
            Faces = faces ?? [],
            Jpeg = jpeg,
        };
        PreparedImage.Finish(file, width, height, wide, high, offset, facts);
        return path;
    }

    /// <summary>Writes, maps and forgets: the file is unlinked at once.</summary>
    public static PreparedImage Open(int width, int height, Func<int, int, (byte R, byte G, byte B)> pixel, IReadOnlyList<Face>? faces = null, Func<int, int, int, short>? coefficient = null, JpegFacts? jpeg = null, int orientation = 1)
    {
        string path = Write(width, height, pixel, faces, coefficient, jpeg, orientation);
        try
        {
            return PreparedImage.Open(path);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>Grey, with a red rectangle.</summary>
    public static Func<int, int, (byte R, byte G, byte B)> RedAt(int x0, int y0, int width, int height) =>
        (x, y) => x >= x0 && x < x0 + width && y >= y0 && y < y0 + height ? ((byte)255, (byte)0, (byte)0) : ((byte)20, (byte)20, (byte)20);

    public static Face Face(int x, int y, int width, int height) => new()
    {
        Box = new PixelBox { X = x, Y = y, Width = width, Height = height },
        Confidence = 0.9,
        Keypoints = new float[12],
    };

    /// <summary>Mean of a map over a rectangle of cells.</summary>
    public static double Mean(ProbabilityMap map, int x0, int y0, int width, int height)
    {
        double sum = 0;
        for (int y = y0; y < y0 + height; y++)
        {
            for (int x = x0; x < x0 + width; x++)
            {
                sum += map.Values[(y * map.Width) + x];
            }
        }

        return sum / (width * height) / 255;
    }
}
