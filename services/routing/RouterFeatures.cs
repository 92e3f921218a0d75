using Palimpsest.Contracts;

namespace Palimpsest.Routing;

/// <summary>
/// What the router looks at: 843 numbers on a 256×256 grid of the picture and 4 on its faces, definition "router-features/2" of training/features.py, to the letter.
/// All integer arithmetic up to the last step of each family, so both languages give the same numbers.
/// </summary>
internal static class RouterFeatures
{
    /// <summary>The definition a router model must have been trained with.</summary>
    public const string Version = "router-features/2";

    /// <summary>Length of the vector: Laplacian variance, 8×8 DCT coefficients, three 256-bin histograms, ten binary-pattern bins, the faces.</summary>
    public const int Count = 1 + 64 + (3 * 256) + 10 + 4;

    private const int Grid = 256, Dct = 8, FirstFrequency = 8;
    private static readonly double[] Basis = MakeBasis();

    /// <summary>Computes the features of a picture.</summary>
    /// <param name="rgb">height×width×3 bytes.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="faces">Boxes of the faces found in it.</param>
    /// <param name="swapsAxes">The picture is shown with its axes swapped: what the forest learned of rows lies in its columns. All but the frequencies is the same however a picture is turned.</param>
    public static float[] Compute(ReadOnlySpan<byte> rgb, int width, int height, IReadOnlyList<PixelBox> faces, bool swapsAxes = false)
    {
        byte[] cells = Cells(rgb, width, height);
        int[] grey = new int[Grid * Grid]; // thousandths of a grey level
        for (int i = 0; i < grey.Length; i++)
        {
            grey[i] = (299 * cells[3 * i]) + (587 * cells[(3 * i) + 1]) + (114 * cells[(3 * i) + 2]);
        }

        var features = new float[Count];
        features[0] = (float)Math.Log(1 + LaplacianVariance(grey));
        Frequencies(grey, features.AsSpan(1, 64), swapsAxes);
        Histograms(cells, features.AsSpan(65, 768));
        BinaryPatterns(grey, features.AsSpan(833, 10));
        Faces(faces, width, height, features.AsSpan(843, 4));
        return features;
    }

    /// <summary>Means of the picture's pixels under each cell, rounded half up; a small picture's pixels repeat.</summary>
    private static byte[] Cells(ReadOnlySpan<byte> rgb, int width, int height)
    {
        var cells = new byte[Grid * Grid * 3];
        int[] starts = new int[Grid], ends = new int[Grid];
        for (int j = 0; j < Grid; j++)
        {
            starts[j] = (int)((long)j * width / Grid);
            ends[j] = Math.Max((int)((j + 1L) * width / Grid), starts[j] + 1);
        }

        var sums = new int[Grid * 3];
        for (int i = 0; i < Grid; i++)
        {
            int top = (int)((long)i * height / Grid), bottom = Math.Max((int)((i + 1L) * height / Grid), top + 1);
            Array.Clear(sums);
            for (int y = top; y < bottom; y++)
            {
                AddRow(rgb.Slice(y * width * 3, width * 3), starts, ends, sums);
            }

            for (int k = 0; k < sums.Length; k++)
            {
                long n = (long)(bottom - top) * (ends[k / 3] - starts[k / 3]);
                cells[(i * Grid * 3) + k] = (byte)(((2L * sums[k]) + n) / (2 * n));
            }
        }

        return cells;
    }

    private static void AddRow(ReadOnlySpan<byte> row, int[] starts, int[] ends, int[] sums)
    {
        for (int j = 0; j < Grid; j++)
        {
            int r = 0, g = 0, b = 0;
            for (int x = starts[j] * 3; x < ends[j] * 3; x += 3)
            {
                r += row[x];
                g += row[x + 1];
                b += row[x + 2];
            }

            sums[3 * j] += r;
            sums[(3 * j) + 1] += g;
            sums[(3 * j) + 2] += b;
        }
    }

    private static double LaplacianVariance(int[] grey)
    {
        long sum = 0;
        double squares = 0;
        const int Inner = Grid - 2;
        for (int y = 1; y <= Inner; y++)
        {
            for (int x = 1; x <= Inner; x++)
            {
                int at = (y * Grid) + x;
                long value = grey[at - Grid] + grey[at + Grid] + grey[at - 1] + grey[at + 1] - (4L * grey[at]);
                sum += value;
                squares += (double)value * value;
            }
        }

        double n = Inner * Inner, mean = sum / n;
        return ((squares / n) - (mean * mean)) / 1e6;
    }

    /// <summary>Orthonormal two-dimensional DCT-II, frequencies 8..15 both ways: the grid's columns first, then its rows.</summary>
    private static void Frequencies(int[] grey, Span<float> features, bool swapsAxes)
    {
        var vertical = new double[Dct * Grid];
        for (int y = 0; y < Grid; y++)
        {
            for (int u = 0; u < Dct; u++)
            {
                double weight = Basis[(u * Grid) + y] / 1000;
                var sums = vertical.AsSpan(u * Grid, Grid);
                var line = grey.AsSpan(y * Grid, Grid);
                for (int x = 0; x < Grid; x++)
                {
                    sums[x] += weight * line[x];
                }
            }
        }

        for (int u = 0; u < Dct; u++)
        {
            for (int v = 0; v < Dct; v++)
            {
                double sum = 0;
                for (int x = 0; x < Grid; x++)
                {
                    sum += vertical[(u * Grid) + x] * Basis[(v * Grid) + x];
                }

                features[swapsAxes ? (v * Dct) + u : (u * Dct) + v] = (float)Math.Log(1 + Math.Abs(sum));
            }
        }
    }

    private static void Histograms(byte[] cells, Span<float> features)
    {
        var counts = new int[768];
        for (int i = 0; i < cells.Length; i++)
        {
            counts[((i % 3) * 256) + cells[i]]++;
        }

        for (int k = 0; k < counts.Length; k++)
        {
            features[k] = counts[k] / (float)(Grid * Grid);
        }
    }

    /// <summary>Uniform local binary patterns: how many of the eight neighbours are at least as bright, or 9 when they alternate.</summary>
    private static void BinaryPatterns(int[] grey, Span<float> features)
    {
        // Right, up right, up, up left, left, down left, down, down right.
        ReadOnlySpan<int> ring = [1, 1 - Grid, -Grid, -1 - Grid, -1, Grid - 1, Grid, Grid + 1];
        var counts = new int[10];
        for (int y = 1; y < Grid - 1; y++)
        {
            for (int x = 1; x < Grid - 1; x++)
            {
                int at = (y * Grid) + x, pattern = 0;
                for (int p = 0; p < 8; p++)
                {
                    pattern |= (grey[at + ring[p]] >= grey[at] ? 1 : 0) << p;
                }

                int turned = ((pattern << 1) | (pattern >> 7)) & 255;
                counts[int.PopCount(pattern ^ turned) <= 2 ? int.PopCount(pattern) : 9]++;
            }
        }

        for (int k = 0; k < counts.Length; k++)
        {
            features[k] = counts[k] / (float)((Grid - 2) * (Grid - 2));
        }
    }

    private static void Faces(IReadOnlyList<PixelBox> faces, int width, int height, Span<float> features)
    {
        if (faces.Count == 0)
        {
            return;
        }

        var largest = faces.MaxBy(box => Math.Max(box.Width, box.Height))!;
        double across = Math.Abs(largest.X + (largest.Width / 2.0) - (width / 2.0)) / width, down = Math.Abs(largest.Y + (largest.Height / 2.0) - (height / 2.0)) / height;
        features[0] = Math.Min(faces.Count, 5);
        features[1] = (float)(Math.Max(largest.Width, largest.Height) / (double)Math.Min(width, height));
        features[2] = (float)Math.Max(across, down);
        features[3] = (float)Math.Min(1, faces.Sum(box => (double)box.Width * box.Height) / ((double)width * height));
    }

    private static double[] MakeBasis()
    {
        var basis = new double[Dct * Grid];
        for (int k = 0; k < Dct; k++)
        {
            for (int i = 0; i < Grid; i++)
            {
                basis[(k * Grid) + i] = Math.Cos(Math.PI * ((2 * i) + 1) * (FirstFrequency + k) / (2 * Grid)) * Math.Sqrt(2.0 / Grid);
            }
        }

        return basis;
    }
}
