using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class TensorTests
{
    [Theory]
    [InlineData("nchw", "rgb")]
    [InlineData("nchw", "bgr")]
    [InlineData("nhwc", "rgb")]
    [InlineData("nhwc", "bgr")]
    public void Pixels_are_packed_as_the_manifest_says(string layout, string channels)
    {
        var input = new PixelInput { Name = "x", Layout = layout, Channels = channels, Scale = 1 / 255.0, Mean = [0.485, 0.456, 0.406], Std = [0.229, 0.224, 0.225] };
        var random = new Random(5);
        foreach (var (width, height, region) in new[]
        {
            (64, 5, new Region(0, 0, 64, 5)), (100, 7, new Region(0, 0, 104, 8)), (37, 21, new Region(-9, -3, 60, 30)), (16, 16, new Region(5, 6, 7, 8)),
            (20, 20, new Region(15, -4, 33, 9)), (8, 8, new Region(30, 2, 20, 3)), (8, 8, new Region(-30, 2, 20, 3)),
        })
        {
            var rgb = new byte[width * height * 3];
            random.NextBytes(rgb);
            var tensor = new float[region.Width * region.Height * 3];
            new PixelPacker(input).Pack(rgb, width, height, region, tensor);

            for (int y = 0; y < region.Height; y++)
            {
                for (int x = 0; x < region.Width; x++)
                {
                    for (int c = 0; c < 3; c++)
                    {
                        int sx = Math.Clamp(region.X + x, 0, width - 1), sy = Math.Clamp(region.Y + y, 0, height - 1);
                        double expected = ((rgb[(((sy * width) + sx) * 3) + (channels == "rgb" ? c : 2 - c)] / 255.0) - input.Mean[c]) / input.Std[c];
                        int at = layout == "nchw" ? (((c * region.Height) + y) * region.Width) + x : (((y * region.Width) + x) * 3) + c;
                        tensor[at].ShouldBe((float)expected, 1e-5f, $"{layout} {channels} {region} at {x},{y},{c}");
                    }
                }
            }
        }
    }

    [Fact]
    public void What_is_cut_out_beyond_the_picture_repeats_its_edge()
    {
        const int Width = 20, Height = 12;
        byte[] rgb = [.. Enumerable.Range(0, Width * Height * 3).Select(i => (byte)i)];
        foreach (var region in new[] { new Region(0, 0, Width, Height), new Region(-3, -2, 31, 17), new Region(5, 6, 7, 4), new Region(30, 2, 20, 3), new Region(-30, 2, 20, 3) })
        {
            var cut = new byte[region.Width * region.Height * 3];
            PixelResizer.Cut(rgb, Width, Height, region, cut);
            for (int i = 0; i < cut.Length; i++)
            {
                int x = Math.Clamp(region.X + (i / 3 % region.Width), 0, Width - 1), y = Math.Clamp(region.Y + (i / 3 / region.Width), 0, Height - 1);
                cut[i].ShouldBe(rgb[(((y * Width) + x) * 3) + (i % 3)], $"{region} {i}");
            }
        }
    }

    [Theory] // eight blocks and eight coefficients are packed at a time: fewer, as many, and some left
    [InlineData(5, 28)]
    [InlineData(10, 64)]
    [InlineData(18, 28)]
    [InlineData(21, 9)]
    public void Coefficients_are_packed_by_plane_and_end_with_the_file(int wide, int k)
    {
        const int high = 4;
        short[] blocks = [.. Enumerable.Range(0, wide * high * 64).Select(i => (short)((i * 7919 % 65536) - 32768))];
        var region = new Region(16, 8, wide * 8, 32); // blocks from the third of a row on, from the second row: two columns and a row beyond the file
        var tensor = new float[k * wide * 4];
        Array.Fill(tensor, 99);

        CoefficientPacker.Pack(blocks, wide, high, region, k, tensor);

        for (int c = 0; c < k; c++)
        {
            for (int y = 0; y < 4; y++)
            {
                for (int x = 0; x < wide; x++)
                {
                    float expected = x + 2 < wide && y + 1 < high ? blocks[((((y + 1) * wide) + x + 2) * 64) + c] : 0;
                    tensor[(((c * 4) + y) * wide) + x].ShouldBe(expected);
                }
            }
        }

        Should.Throw<ArgumentException>(() => CoefficientPacker.Pack(blocks, wide, high, new Region(4, 0, 8, 8), k, tensor));
    }

    [Fact]
    public void Resizing_interpolates_when_enlarging_and_averages_when_shrinking()
    {
        byte[] row = [0, 0, 0, 100, 100, 100, 200, 200, 200, 40, 40, 40]; // 4×1
        Resized(row, 4, 1, new Region(0, 0, 4, 1), 2, 1).ShouldBe([50, 120]);
        Resized(row, 4, 1, new Region(0, 0, 2, 1), 4, 1).ShouldBe([0, 25, 75, 100]); // cut before it is resized: what lies beside does not bleed in
        Resized(row, 4, 1, new Region(-2, 0, 4, 1), 4, 1).ShouldBe([0, 0, 0, 100]);
        Resized(row, 4, 1, new Region(2, 0, 4, 3), 4, 3).ShouldBe([200, 40, 40, 40, 200, 40, 40, 40, 200, 40, 40, 40]);
    }

    [Fact]
    public void Shrinking_by_any_factor_keeps_the_mean()
    {
        const int width = 97, height = 61;
        var rgb = new byte[width * height * 3];
        for (int i = 0; i < width * height; i++)
        {
            rgb[3 * i] = rgb[(3 * i) + 1] = rgb[(3 * i) + 2] = (byte)(40 + (i % width) + (i / width));
        }

        double mean = rgb.Average(b => (double)b);
        foreach (var (w, h) in new[] { (48, 30), (13, 11), (7, 3), (1, 1) })
        {
            Resized(rgb, width, height, new Region(0, 0, width, height), w, h).Average(b => (double)b).ShouldBe(mean, 0.5, $"{w}×{h}");
        }
    }

    [Theory]
    [InlineData(1.6)]
    [InlineData(1)]
    public void Resizing_in_vectors_gives_what_plain_arithmetic_gives(double areaAbove)
    {
        var random = new Random(7);
        foreach (var (width, height, region, w, h) in new[]
        {
            (97, 61, new Region(0, 0, 97, 61), 31, 17), (131, 40, new Region(5, 3, 90, 33), 64, 64), (33, 9, new Region(-4, 2, 41, 9), 40, 12), (300, 200, new Region(0, 0, 300, 200), 128, 85),
        })
        {
            var rgb = new byte[width * height * 3];
            random.NextBytes(rgb);
            var (columns, rows) = (ResampleAxis.Resize(region.X, region.Width, width, w, areaAbove), ResampleAxis.Resize(region.Y, region.Height, height, h, areaAbove));
            var expected = new byte[w * h * 3];
            for (int i = 0; i < expected.Length; i++)
            {
                int c = i % 3, x = i / 3 % w, y = i / 3 / w;
                float sum = 0;
                for (int t = x * columns.Taps; t < (x + 1) * columns.Taps; t++)
                {
                    float mixed = 0;
                    for (int u = y * rows.Taps; u < (y + 1) * rows.Taps; u++)
                    {
                        mixed = MathF.FusedMultiplyAdd(rgb[(((rows.Index[u] * width) + columns.Index[t]) * 3) + c], rows.Weight[u], mixed);
                    }

                    sum = MathF.FusedMultiplyAdd(mixed, columns.Weight[t], sum);
                }

                expected[i] = (byte)Math.Clamp(sum + 0.5f, 0, 255);
            }

            var target = new byte[w * h * 3];
            PixelResizer.Resize(rgb, width, height, region, target, w, h, areaAbove);
            target.ShouldBe(expected, $"{width}×{height} to {w}×{h}");
        }
    }

    [Fact]
    public void Buffers_are_reused_and_hold_what_was_asked_for()
    {
        var pool = new TensorPool<float>();
        var first = pool.Rent(100_000);
        first.Span.Fill(3);
        first.Dispose();
        using var second = pool.Rent(99_000);
        second.Span.Length.ShouldBe(99_000);
        second.Span[98_999].ShouldBe(3);
        using var third = pool.Rent(99_000);
        third.Span.Overlaps(second.Span).ShouldBeFalse();
    }

    [Theory]
    [InlineData(200_000, true)]
    [InlineData(400_000, false)] // more than twice of what is asked for waits for larger ones
    public void A_rare_size_takes_a_larger_buffer_that_is_free(int free, bool taken)
    {
        var pool = new TensorPool<float>();
        var large = pool.Rent(free);
        large.Span.Fill(3);
        large.Dispose();
        using var rare = pool.Rent(130_000);
        rare.Span.Length.ShouldBe(130_000);
        rare.Span.Fill(4);
        using var again = pool.Rent(free);
        (again.Span[0] == 3).ShouldBe(!taken);
        again.Span.Overlaps(rare.Span).ShouldBeFalse();
    }

    private static byte[] Resized(byte[] rgb, int width, int height, Region region, int targetWidth, int targetHeight)
    {
        var target = new byte[targetWidth * targetHeight * 3];
        PixelResizer.Resize(rgb, width, height, region, target, targetWidth, targetHeight);
        return [.. target.Where((_, i) => i % 3 == 1)];
    }
}
