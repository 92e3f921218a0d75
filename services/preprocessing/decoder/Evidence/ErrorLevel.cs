using System.Runtime.Intrinsics;
using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Error level analysis (N. Krawetz, "A Picture's Worth…", 2007): how much each block changes when the picture is saved again. Luminance only, the tables of JPEG quality 90, transform and
/// quantisation computed here so that no encoder's choices enter.
/// </summary>
internal static unsafe class ErrorLevel
{
    private const int Quality = 90;

    /// <summary>Grey levels at the map's brightest.</summary>
    private const float FullScale = 4;

    public static Look Examine(EvidencePicture picture)
    {
        int wide = picture.BlocksWide, high = picture.BlocksHigh;
        var error = new float[wide * high];
        var texture = new float[wide * high];
        float[] steps = BlockTransform.Natural(StandardTables.OfQuality(Quality));
        float* block = stackalloc float[64], change = stackalloc float[64];
        for (int y = 0, at = 0; y < high; y++)
        {
            for (int x = 0; x < wide; x++, at++)
            {
                BlockTransform.Forward(picture.Luminance + ((long)y * 8 * picture.Width) + (x * 8), picture.Width, block);
                (error[at], texture[at]) = Resave(block, steps, change);
            }
        }

        var standouts = Standouts.Find(error, texture, wide, high, Standouts.Settings.ErrorLevel);
        var map = LevelMap.FromSquares(picture.Width, picture.Height, 8, wide, error, 0, FullScale);
        var facts = new List<EvidenceFact>
        {
            new("Saved again as", $"JPEG quality {Quality}, luminance"),
            new("Mean change", $"{error.Average():0.00} grey levels"),
            new("Blocks that change more than others of the same texture", $"{standouts.Share * 100:0.0} %"),
        };
        return new Look
        {
            Finding = standouts.Regions.Count > 0 ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = standouts.Regions.Count > 0
                ? $"{Standouts.Areas(standouts.Regions.Count)} changes more on saving than equally textured parts do, as a part with another compression history would."
                : "Nothing unusual: all parts change on saving as their texture lets expect.",
            Facts = facts,
            Regions = standouts.In(8),
            Map = map,
        };
    }

    /// <summary>Mean absolute change of a block's pixels, and its texture as log2 of the energy that survives.</summary>
    private static (float Error, float Texture) Resave(float* block, float[] steps, float* change)
    {
        var energy = Vector256<float>.Zero;
        fixed (float* s = steps)
        {
            for (int i = 0; i < 64; i += 8)
            {
                var value = Vector256.Load(block + i);
                var step = Vector256.Load(s + i);
                var kept = Vector256.Round(value / step) * step;
                (value - kept).Store(change + i);
                energy += i == 0 ? (kept * kept).WithElement(0, 0f) : kept * kept;
            }
        }

        float* pixels = stackalloc float[64];
        BlockTransform.Inverse(change, pixels);
        var sum = Vector256<float>.Zero;
        for (int i = 0; i < 64; i += 8)
        {
            sum += Vector256.Abs(Vector256.Load(pixels + i));
        }

        return (Vector256.Sum(sum) / 64, MathF.Log2(1 + Vector256.Sum(energy)));
    }
}
