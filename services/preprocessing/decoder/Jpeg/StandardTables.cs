namespace Palimpsest.Decoder.Jpeg;

/// <summary>The quantisation tables of the Independent JPEG Group's library: ITU-T T.81 Annex K.1 scaled by a quality of 1..100.</summary>
internal static class StandardTables
{
    /// <summary>T.81 table K.1, zigzag order.</summary>
    private static readonly int[] Luminance =
    [
        16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51,
        56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
    ];

    /// <summary>T.81 table K.2, zigzag order.</summary>
    private static readonly int[] Chrominance =
    [
        17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    ];

    private static readonly int[][] ByQuality = [.. Enumerable.Range(1, 100).Select(q => Scale(Luminance, q))];

    private static readonly int[][] ChrominanceByQuality = [.. Enumerable.Range(1, 100).Select(q => Scale(Chrominance, q))];

    /// <summary>The IJG luminance table of a quality, zigzag order.</summary>
    public static IReadOnlyList<int> OfQuality(int quality) => ByQuality[quality - 1];

    /// <summary>The quality whose table differs least (sum of absolute differences) from the given one, and whether it is that table.</summary>
    public static (int Quality, bool Exact) Nearest(IReadOnlyList<int> table) => Nearest(table, ByQuality);

    /// <summary>The same for a chrominance table.</summary>
    public static (int Quality, bool Exact) NearestChrominance(IReadOnlyList<int> table) => Nearest(table, ChrominanceByQuality);

    /// <summary>True when every entry is K.1's times one factor, rounded or cut, within 1..255: cameras scale by factors that no whole quality gives.</summary>
    public static bool IsScaled(IReadOnlyList<int> table)
    {
        double sum = 0;
        int counted = 0;
        for (int k = 0; k < 64; k++)
        {
            if (table[k] is > 1 and < 255)
            {
                sum += table[k] / (double)Luminance[k];
                counted++;
            }
        }

        double factor = counted == 0 ? 0 : sum / counted;
        return counted >= 16 && Enumerable.Range(0, 64).All(k => Math.Abs(table[k] - Math.Clamp(Luminance[k] * factor, 1, 255)) <= 1.01);
    }

    private static (int Quality, bool Exact) Nearest(IReadOnlyList<int> table, int[][] byQuality)
    {
        (int quality, long least) = (1, long.MaxValue);
        for (int q = 1; q <= 100; q++)
        {
            long difference = 0;
            for (int k = 0; k < 64; k++)
            {
                difference += Math.Abs(table[k] - byQuality[q - 1][k]);
            }

            if (difference < least)
            {
                (quality, least) = (q, difference);
            }
        }

        return (quality, least == 0);
    }

    private static int[] Scale(int[] basis, int quality)
    {
        int percent = quality < 50 ? 5000 / quality : 200 - (2 * quality);
        return [.. basis.Select(value => Math.Clamp(((value * percent) + 50) / 100, 1, 255))];
    }
}
