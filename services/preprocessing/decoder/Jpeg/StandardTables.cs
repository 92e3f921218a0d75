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

    private static readonly int[][] ByQuality = [.. Enumerable.Range(1, 100).Select(Scale)];

    /// <summary>The IJG luminance table of a quality, zigzag order.</summary>
    public static IReadOnlyList<int> OfQuality(int quality) => ByQuality[quality - 1];

    /// <summary>The quality whose table differs least (sum of absolute differences) from the given one, and whether it is that table.</summary>
    public static (int Quality, bool Exact) Nearest(IReadOnlyList<int> table)
    {
        (int quality, long least) = (1, long.MaxValue);
        for (int q = 1; q <= 100; q++)
        {
            long difference = 0;
            for (int k = 0; k < 64; k++)
            {
                difference += Math.Abs(table[k] - ByQuality[q - 1][k]);
            }

            if (difference < least)
            {
                (quality, least) = (q, difference);
            }
        }

        return (quality, least == 0);
    }

    private static int[] Scale(int quality)
    {
        int percent = quality < 50 ? 5000 / quality : 200 - (2 * quality);
        return [.. Luminance.Select(value => Math.Clamp(((value * percent) + 50) / 100, 1, 255))];
    }
}
