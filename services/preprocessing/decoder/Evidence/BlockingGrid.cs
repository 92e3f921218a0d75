using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Offset of the 8×8 blocking grid. Compression leaves steps at every eighth column and row (Z. Fan and R. de Queiroz, "Identification of bitmap compression history", 2003); a pasted part
/// brings steps that do not fall on the picture's own (W. Li, Y. Yuan, N. Yu, "Passive detection of doctored JPEG image via block artifact grid extraction", 2009). Measured by the third
/// difference across a boundary, counted so that edges of the scene do not decide.
/// </summary>
internal static unsafe class BlockingGrid
{
    /// <summary>Side of a square that sums are kept for; the map's squares.</summary>
    private const int Side = 16;

    /// <summary>Squares on each side that are summed: 80 pixels.</summary>
    private const int Radius = 2;

    /// <summary>Differences are cut at this many grey levels.</summary>
    private const float Most = 12;

    /// <summary>Deviations above chance, in a picture of half a megapixel or less.</summary>
    private const float Limit = 5;
    private const int LimitSquares = 2_000;
    private const int Fewest = 10;

    /// <summary>Share of pieces from which on a grid lies over the whole picture; a third is chance.</summary>
    private const float WholeShare = 0.55f;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.Width / Side, high = picture.Height / Side;
        if (wide < 6 || high < 6)
        {
            return Look.NotApplicable("The picture is too small to compare its parts.");
        }

        var (across, down) = (Pieces.Count(picture, wide, high, rows: false), Pieces.Count(picture, wide, high, rows: true));
        float[] profileX = across.Profile(), profileY = down.Profile();
        // The picture's own grid: where its JPEG blocks are, or where an earlier JPEG's were.
        bool jpeg = picture.Upload.Format == ImageFormats.Jpeg;
        (int X, int Y) first = (Peak(profileX, -1), Peak(profileY, -1));
        bool gridded = jpeg || Math.Min(profileX[first.X], profileY[first.Y]) > WholeShare;
        (int X, int Y) own = jpeg ? (0, 0) : gridded ? first : (-1, -1);

        float[] strength = new float[wide * high];
        var areas = Areas(across.Scores(Radius, profileX, own.X), down.Scores(Radius, profileY, own.Y), wide, high, own, strength, out var offset);
        (int X, int Y) second = (Peak(profileX, own.X), Peak(profileY, own.Y));
        bool cropped = gridded && areas.Count == 0 && Math.Min(profileX[second.X], profileY[second.Y]) > WholeShare;
        return new Look
        {
            Finding = areas.Count > 0 ? EvidenceFindings.Unusual : cropped ? EvidenceFindings.Notable : EvidenceFindings.NothingUnusual,
            Summary = areas.Count > 0 ? $"{Standouts.Areas(areas.Count)} carries the blocks of an earlier JPEG that lie off the picture's own."
                : cropped ? "All of the picture carries the blocks of an earlier JPEG that lie off its own, as after cropping."
                : "Nothing unusual: no part carries a blocking grid of its own.",
            Facts =
            [
                new("Columns and rows that stand out at the strongest other offset", $"{profileX[second.X] * 100:0} % and {profileY[second.Y] * 100:0} %; 33 % by chance"),
                new("Own grid", jpeg ? "the file's, at 0, 0" : gridded ? $"of an earlier JPEG, at {own.X}, {own.Y}" : "none found"),
                .. areas.Count > 0 ? [new EvidenceFact("Other grid in the area", $"at {offset.X}, {offset.Y}")] : Array.Empty<EvidenceFact>(),
                .. cropped ? [new EvidenceFact("Other grid everywhere", $"at {second.X}, {second.Y}")] : Array.Empty<EvidenceFact>(),
            ],
            Regions = Standouts.Boxes(areas, Side),
            Map = LevelMap.FromSquares(picture.Width, picture.Height, Side, wide, strength, 3, 10),
        };
    }

    private static int Peak(float[] profile, int own) => Enumerable.Range(0, 8).Where(p => p != own).MaxBy(p => profile[p]);

    /// <summary>Areas whose squares agree on another grid; the strongest other grid of each square goes into <paramref name="strength"/>.</summary>
    private static List<(int Left, int Top, int Right, int Bottom, int Count)> Areas(float[][] across, float[][] down, int wide, int high, (int X, int Y) own, float[] strength, out (int X, int Y) offset)
    {
        var best = new List<(int Left, int Top, int Right, int Bottom, int Count)>();
        offset = (0, 0);
        // The most that chance brings together grows with the number of places, as the largest of so many normal values does.
        float limit = MathF.Sqrt((Limit * Limit) + (2 * MathF.Log(Math.Max(1, (float)wide * high / LimitSquares))));
        for (int y = 0; y < 8; y++)
        {
            for (int x = 0; x < 8; x++)
            {
                // A pasted part whose grid shares the own one's rows or columns is not told from texture: both directions must show another.
                if (x == own.X || y == own.Y)
                {
                    continue;
                }

                var score = new float[strength.Length];
                for (int i = 0; i < score.Length; i++)
                {
                    score[i] = Math.Min((across[x][i] + down[y][i]) / MathF.Sqrt(2), 1.8f * Math.Min(across[x][i], down[y][i]));
                    strength[i] = Math.Max(strength[i], score[i]);
                }

                var found = Standouts.Above(score, wide, high, limit, Standouts.Least(Fewest, wide, high));
                found.RemoveAll(a => a.Count > wide * high / 2);
                if (found.Count > 0 && (best.Count == 0 || found[0].Count > best[0].Count))
                {
                    (best, offset) = (found, (x, y));
                }
            }
        }

        return best;
    }

    /// <summary>
    /// For each square and each of eight phases: how many short pieces of a column (or row) differ more across than the pieces beside them. Counting, not adding: one strong edge of the
    /// scene is one piece, while a grid is a piece every eight pixels.
    /// </summary>
    private sealed class Pieces
    {
        private readonly int wide;
        private readonly int high;
        private readonly float[][] higher = new float[8][];
        private readonly float[][] all = new float[8][];

        private Pieces(int wide, int high)
        {
            (this.wide, this.high) = (wide, high);
            for (int phase = 0; phase < 8; phase++)
            {
                (higher[phase], all[phase]) = (new float[wide * high], new float[wide * high]);
            }
        }

        /// <summary>Counts columns, or rows.</summary>
        public static Pieces Count(EvidencePicture picture, int wide, int high, bool rows)
        {
            var pieces = new Pieces(wide, high);
            // Along: from piece to piece across the boundaries. Beside: the pixels of one piece.
            int along = (rows ? high : wide) * Side, bands = rows ? wide : high;
            int step = rows ? picture.Width : 1, beside = rows ? 1 : picture.Width;
            var difference = new float[along];
            for (int band = 0; band < bands; band++)
            {
                Array.Clear(difference);
                float* origin = picture.Luminance + ((long)band * Side * beside);
                for (int k = 0; k < Side; k++)
                {
                    float* line = origin + ((long)k * beside);
                    for (int i = 2; i < along - 1; i++)
                    {
                        // Across the boundary before this pixel: −1 3 −3 1.
                        float* p = line + ((long)i * step);
                        difference[i] += Math.Min(Math.Abs(p[step] - p[-2 * step] + (3 * (p[-step] - p[0]))), Most);
                    }
                }

                for (int i = 3; i < along - 2; i++)
                {
                    // Where nothing varies nothing can be counted: clipped or blank.
                    if (difference[i - 1] + difference[i] + difference[i + 1] < Side)
                    {
                        continue;
                    }

                    int square = rows ? ((i / Side) * wide) + band : (band * wide) + (i / Side);
                    pieces.all[i & 7][square]++;
                    pieces.higher[i & 7][square] += difference[i] > Math.Max(difference[i - 1], difference[i + 1]) ? 1 : 0;
                }
            }

            return pieces;
        }

        /// <summary>For each phase the share of pieces that stand out, over the picture; a third where there is no grid.</summary>
        public float[] Profile() =>
            [.. Enumerable.Range(0, 8).Select(p => all[p].Sum() is > 0 and var n ? higher[p].Sum() / n : 0.33f)];

        /// <summary>For each phase and square's neighbourhood, deviations above the picture's own share.</summary>
        public float[][] Scores(int radius, float[] profile, int own)
        {
            int summed = ((2 * radius) + 1) * ((2 * radius) + 1);
            var scores = new float[8][];
            for (int phase = 0; phase < 8; phase++)
            {
                float[] up = Grid.BoxMean(higher[phase], wide, high, radius), n = Grid.BoxMean(all[phase], wide, high, radius);
                double share = Math.Clamp(profile[phase], 0.25, 0.6);
                scores[phase] = new float[wide * high];
                for (int i = 0; i < up.Length && phase != own; i++)
                {
                    double count = n[i] * summed;
                    scores[phase][i] = count < 8 ? 0 : (float)(((up[i] * summed) - (count * share)) / Math.Sqrt(count * share * (1 - share)));
                }
            }

            return scores;
        }
    }
}
