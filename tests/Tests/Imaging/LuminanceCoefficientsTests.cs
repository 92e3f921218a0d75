using Palimpsest.Decoder.Jpeg;

namespace Palimpsest.Tests.Imaging;

/// <summary>Our JPEG reader against libvips' decoder: dequantised and inversely transformed, our coefficients must be its luminance.</summary>
public sealed class LuminanceCoefficientsTests
{
    private static readonly int[] ZigzagToNatural = CreateZigzag();

    [Theory]
    [InlineData(96, 64, 90, "off", false, 0)]
    [InlineData(97, 51, 90, "off", false, 0)]
    [InlineData(96, 64, 75, "on", false, 0)]
    [InlineData(131, 77, 75, "on", false, 0)]
    [InlineData(131, 77, 60, "on", true, 0)]
    [InlineData(131, 77, 95, "off", true, 0)]
    [InlineData(131, 77, 85, "on", false, 3)]
    [InlineData(131, 77, 85, "off", true, 2)]
    [InlineData(640, 400, 100, "on", false, 7)]
    public void Colour_TransformsToTheDecodersLuminance(int width, int height, int quality, string subsample, bool progressive, int restart)
    {
        byte[] jpeg = TestPictures.Jpeg(width, height, quality, ("subsample-mode", subsample), ("interlace", progressive ? "true" : "false"), ("restart-interval", restart.ToString()));
        var (facts, coefficients) = JpegFile.Read(jpeg, wantCoefficients: true);

        facts.ShouldNotBeNull();
        facts.Progressive.ShouldBe(progressive);
        facts.QualityEstimate.ShouldBe(quality);
        facts.Subsampling.ShouldBe(subsample == "on" ? "4:2:0" : "4:4:4");
        coefficients.ShouldNotBeNull();
        (coefficients.BlocksWide, coefficients.BlocksHigh).ShouldBe(((width + 7) / 8, (height + 7) / 8));

        byte[] rgb = TestPictures.Decode(jpeg, "jpegload", out _, out _);
        double[] luminance = Transform(coefficients, facts.LuminanceTable);
        Compare(luminance, coefficients.BlocksWide * 8, width, height, (x, y) =>
        {
            int at = ((y * width) + x) * 3;
            return (0.299 * rgb[at]) + (0.587 * rgb[at + 1]) + (0.114 * rgb[at + 2]);
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Grey_TransformsToTheDecodersPixels(bool progressive)
    {
        const int width = 101, height = 67;
        byte[] jpeg = TestPictures.Encode(TestPictures.Pixels(width, height, 1), width, height, "jpegsave_buffer", ("Q", "80"), ("interlace", progressive ? "true" : "false"));
        var (facts, coefficients) = JpegFile.Read(jpeg, wantCoefficients: true);

        facts!.ChrominanceTable.ShouldBeNull();
        byte[] grey = TestPictures.Decode(jpeg, "jpegload", out _, out _);
        Compare(Transform(coefficients!, facts.LuminanceTable), coefficients!.BlocksWide * 8, width, height, (x, y) => grey[(y * width) + x]);
    }

    [Theory]
    [InlineData("on")]
    [InlineData("off")]
    public void Progressive_HoldsTheSameCoefficientsAsBaseline(string subsample)
    {
        short[] baseline = JpegFile.Read(TestPictures.Jpeg(203, 155, 82, ("subsample-mode", subsample)), true).Coefficients!.Values.ToArray();
        short[] progressive = JpegFile.Read(TestPictures.Jpeg(203, 155, 82, ("subsample-mode", subsample), ("interlace", "true")), true).Coefficients!.Values.ToArray();

        progressive.ShouldBe(baseline);
        baseline.Count(v => v != 0).ShouldBeGreaterThan(1000);
    }

    [Fact]
    public void CutShort_HasNoCoefficientsButFacts()
    {
        byte[] jpeg = TestPictures.Jpeg(200, 160);
        var (facts, coefficients) = JpegFile.Read(jpeg.AsSpan(0, jpeg.Length * 2 / 3), wantCoefficients: true);

        facts.ShouldNotBeNull();
        coefficients.ShouldBeNull();
    }

    /// <summary>The scan says that it begins behind the DC coefficients, which a baseline scan cannot, and brings no tables for them. Other decoders use tables of their own.</summary>
    [Fact]
    public void BaselineWithoutTables_IsNotRead()
    {
        byte[] jpeg = TestPictures.Jpeg(96, 64);
        var made = new List<byte>(jpeg[..2]);
        int at = 2;
        for (; jpeg[at + 1] != 0xDA; at += 2 + Length(at))
        {
            // 0xC4 with class 0 in its first byte: a DC table.
            if (jpeg[at + 1] != 0xC4 || jpeg[at + 4] >> 4 != 0)
            {
                made.AddRange(jpeg[at..(at + 2 + Length(at))]);
            }
        }

        byte[] scan = jpeg[at..];
        scan[2 + Length(at) - 3] = 1;
        made.AddRange(scan);

        JpegFile.Read(made.ToArray(), wantCoefficients: true).Coefficients.ShouldBeNull();

        int Length(int segment) => (jpeg[segment + 2] << 8) | jpeg[segment + 3];
    }

    [Fact]
    public void RgbJpeg_HasNoLuminance()
    {
        // The Adobe marker's transform 0 says that the components are red, green and blue.
        byte[] jpeg = TestPictures.InsertSegment(TestPictures.Jpeg(), 0xEE, [.. "Adobe"u8, 0, 100, 0, 0, 0, 0, 0]);

        JpegFile.Read(jpeg, wantCoefficients: true).Coefficients.ShouldBeNull();
    }

    [Fact]
    public void Garbage_NeverThrows()
    {
        var random = new Random(7);
        byte[][] seeds = [TestPictures.Jpeg(80, 72, 75), TestPictures.Jpeg(80, 72, 75, ("interlace", "true")), TestPictures.Jpeg(80, 72, 75, ("restart-interval", "2"))];
        int withCoefficients = 0;
        for (int i = 0; i < 6000; i++)
        {
            byte[] broken = [.. seeds[i % seeds.Length]];
            for (int n = random.Next(1, 6); n > 0; n--)
            {
                broken[random.Next(2, broken.Length)] = (byte)random.Next(256);
            }

            int length = random.Next(4) == 0 ? random.Next(4, broken.Length) : broken.Length;
            withCoefficients += JpegFile.Read(broken.AsSpan(0, length), wantCoefficients: true).Coefficients is null ? 0 : 1;
        }

        withCoefficients.ShouldBeInRange(1, 5999);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(30)]
    [InlineData(75)]
    [InlineData(98)]
    public void StandardTable_IsFoundExactly(int quality)
    {
        StandardTables.Nearest(StandardTables.OfQuality(quality)).ShouldBe((quality, true));
        int[] changed = [.. StandardTables.OfQuality(quality)];
        changed[63] += 1;
        StandardTables.Nearest(changed).ShouldBe((quality, false));
    }

    private static void Compare(double[] ours, int stride, int width, int height, Func<int, int, double> theirs)
    {
        double worst = 0, sum = 0;
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                double difference = Math.Abs(ours[(y * stride) + x] - theirs(x, y));
                worst = Math.Max(worst, difference);
                sum += difference;
            }
        }

        worst.ShouldBeLessThanOrEqualTo(2.0);
        (sum / (width * height)).ShouldBeLessThan(0.6);
    }

    /// <summary>The textbook inverse DCT (T.81 A.3.3) in double precision.</summary>
    private static double[] Transform(LuminanceCoefficients coefficients, IReadOnlyList<int> table)
    {
        int stride = coefficients.BlocksWide * 8;
        var pixels = new double[stride * coefficients.BlocksHigh * 8];
        var block = new double[64];
        for (int index = 0; index < coefficients.BlocksWide * coefficients.BlocksHigh; index++)
        {
            for (int k = 0; k < 64; k++)
            {
                block[ZigzagToNatural[k]] = coefficients.Values[(index * 64) + k] * (double)table[k];
            }

            int left = index % coefficients.BlocksWide * 8, top = index / coefficients.BlocksWide * 8;
            for (int y = 0; y < 8; y++)
            {
                for (int x = 0; x < 8; x++)
                {
                    double value = 0;
                    for (int v = 0; v < 8; v++)
                    {
                        for (int u = 0; u < 8; u++)
                        {
                            double scale = (u == 0 ? Math.Sqrt(0.5) : 1) * (v == 0 ? Math.Sqrt(0.5) : 1);
                            value += scale * block[(v * 8) + u] * Math.Cos(((2 * x) + 1) * u * Math.PI / 16) * Math.Cos(((2 * y) + 1) * v * Math.PI / 16);
                        }
                    }

                    pixels[((top + y) * stride) + left + x] = Math.Clamp((value / 4) + 128, 0, 255);
                }
            }
        }

        return pixels;
    }

    private static int[] CreateZigzag()
    {
        var order = new int[64];
        int k = 0;
        for (int diagonal = 0; diagonal < 15; diagonal++)
        {
            for (int i = 0; i <= diagonal; i++)
            {
                int row = diagonal % 2 == 0 ? diagonal - i : i, column = diagonal - row;
                if (row < 8 && column < 8)
                {
                    order[k++] = (row * 8) + column;
                }
            }
        }

        return order;
    }
}
