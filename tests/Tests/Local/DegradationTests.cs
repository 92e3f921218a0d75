using Palimpsest.Local.Evaluation;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Local;

public sealed class DegradationTests : IDisposable
{
    // ITU-T T.81 table K.1, row by row.
    private static readonly int[] Luminance =
    [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
        18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ];

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-degrade-").FullName;

    [Theory]
    [InlineData("jpeg90", 90)]
    [InlineData("jpeg70", 70)]
    [InlineData("jpeg50", 50)]
    [InlineData("social", 75)]
    public void Recompression_uses_the_standard_table_of_its_quality_and_4_2_0(string name, int quality)
    {
        byte[] file = File.ReadAllBytes(Degraded(name, 320, 240));
        int scale = quality < 50 ? 5000 / quality : 200 - (2 * quality);
        int[] expected = [.. Luminance.Select(q => Math.Clamp(((q * scale) + 50) / 100, 1, 255)).Order()];
        int dqt = Find(file, 0xDB), sof = Find(file, 0xC0);
        file[(dqt + 5)..(dqt + 69)].Select(b => (int)b).Order().ShouldBe(expected);
        file[sof + 11].ShouldBe((byte)0x22, "luminance sampled twice in both directions");
    }

    [Theory]
    [InlineData("resize0.7", 320, 240, 224, 168)]
    [InlineData("resize0.5", 321, 241, 160, 120)]
    [InlineData("blur1", 320, 240, 320, 240)]
    [InlineData("noise5", 320, 240, 320, 240)]
    [InlineData("social", 1600, 800, 1080, 540)]
    [InlineData("social", 640, 480, 640, 480)]
    public void Sizes_are_as_stated(string name, int width, int height, int newWidth, int newHeight)
    {
        string path = Degraded(name, width, height);
        using var pixels = Pictures.Decode(path);
        (pixels.Width, pixels.Height).ShouldBe((newWidth, newHeight));
    }

    [Fact]
    public void Blur_takes_grain_away_and_noise_brings_it()
    {
        double plain = Grain(Source(320, 240));
        Grain(Degraded("blur1", 320, 240)).ShouldBeLessThan(plain * 0.6);
        Grain(Degraded("noise5", 320, 240)).ShouldBeGreaterThan(plain * 1.2);
    }

    [Theory]
    [InlineData("blur1")]
    [InlineData("noise5")]
    [InlineData("resize0.7")]
    public void A_picture_keeps_its_brightness(string name) => Brightness(Degraded(name, 320, 240)).ShouldBe(Brightness(Source(320, 240)), 0.1);

    [Fact]
    public void A_mask_of_another_size_is_read_nearest()
    {
        byte[] mask = new byte[8 * 4];
        mask.AsSpan(0, 4).Fill(255);
        string path = Path.Combine(folder, "m.png");
        File.WriteAllBytes(path, TestPictures.Encode(mask, 8, 4, "pngsave_buffer"));
        Pictures.DecodeMask(path, 8, 4).ShouldBe(mask);
        Pictures.DecodeMask(path, 4, 2).ShouldBe([0, 0, 0, 0, 0, 0, 0, 0]);
        Pictures.DecodeMask(path, 16, 8).Count(v => v == 255).ShouldBe(16);
    }

    [Fact]
    public void Every_name_of_the_option_exists() => Degradation.Names.ShouldAllBe(name => Degradation.Parse(name).Name == name);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Source(int width, int height)
    {
        string path = Path.Combine(folder, $"{width}x{height}.png");
        File.WriteAllBytes(path, TestPictures.Encode(TestPictures.Pixels(width, height), width, height, "pngsave_buffer"));
        return path;
    }

    private string Degraded(string name, int width, int height) => Degradation.Parse(name).Apply(Source(width, height), folder);

    private static double Grain(string path)
    {
        using var pixels = Pictures.Decode(path);
        var values = pixels.Span;
        double sum = 0;
        for (int i = 3; i < values.Length; i++)
        {
            sum += Math.Abs(values[i] - values[i - 3]);
        }

        return sum / values.Length;
    }

    private static double Brightness(string path)
    {
        using var pixels = Pictures.Decode(path);
        return pixels.Span.ToArray().Average(b => (double)b);
    }

    private static int Find(byte[] file, byte marker)
    {
        for (int at = 2; at + 4 < file.Length; at += 2 + ((file[at + 2] << 8) | file[at + 3]))
        {
            if (file[at + 1] == marker)
            {
                return at;
            }
        }

        throw new InvalidDataException($"no marker {marker:X}");
    }
}
