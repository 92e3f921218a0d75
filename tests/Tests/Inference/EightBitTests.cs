using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

/// <summary>The shipped localizer and its 8-bit variant, side by side on one picture with a JPEG's past and a part that does not share it.</summary>
public sealed class EightBitTests
{
    private const int Width = 256, Height = 192, Left = 96, Top = 64, Side = 64;

    [Fact]
    public async Task The_8_bit_variant_serves_when_it_is_chosen_and_marks_the_same_part()
    {
        using var usual = Load(null);
        using var eight = Load("shallowfake-localizer-int8");
        usual.Model.ShouldNotBeNull().Name.ShouldBe("shallowfake-localizer");
        eight.Model.ShouldNotBeNull().Name.ShouldBe("shallowfake-localizer-int8");
        eight.Model.Version.ShouldBe(usual.Model.Version);
        using var picture = Spliced();

        var expected = (await usual.DetectAsync(picture, TestPicture.Options, default)).Map.ShouldNotBeNull();
        var found = (await eight.DetectAsync(picture, TestPicture.Options, default)).Map.ShouldNotBeNull();

        foreach (var map in (ProbabilityMap[])[expected, found])
        {
            double inside = TestPicture.Mean(map, Left / 4, Top / 4, Side / 4, Side / 4), left = TestPicture.Mean(map, 0, 0, Left / 4, map.Height);
            inside.ShouldBeGreaterThan(left + 0.2);
        }

        expected.Values.Zip(found.Values, (a, b) => Math.Abs(a - b)).Average().ShouldBeLessThan(8);
    }

    private static ModelDetector Load(string? chosen)
    {
        var options = new InferenceOptions { Models = Path.Combine(NodeScript.Root, "models"), Provider = ExecutionProviders.Cpu, Threads = 1 };
        if (chosen is not null)
        {
            options.Choose["shallowfake"] = chosen;
        }

        var detector = new ModelDetector("shallowfake", options, TimeProvider.System, NullLogger<ModelDetector>.Instance);
        detector.Load();
        detector.Unavailable.ShouldBeNull();
        return detector;
    }

    /// <summary>Coefficients saved now at step 2; all were multiples of 6 before, but for a square that was not saved before.</summary>
    private static PreparedImage Spliced()
    {
        var random = new Random(5);
        return TestPicture.Open(Width, Height, (x, y) => ((byte)(120 + ((x * 7) + (y * 13)) % 31), 110, 100), coefficient: (column, row, position) =>
        {
            bool inside = column * 8 is >= Left and < Left + Side && row * 8 is >= Top and < Top + Side;
            double spread = 40.0 / (1 + position), value = spread * ((2 * random.NextDouble()) - 1) * 3;
            return (short)(inside ? Math.Round(value / 2) : 3 * Math.Round(value / 6));
        }, jpeg: new JpegFacts { LuminanceTable = [.. Enumerable.Repeat(2, 64)], QualityEstimate = 94, StandardTable = false, Subsampling = "4:4:4", Progressive = false });
    }
}
