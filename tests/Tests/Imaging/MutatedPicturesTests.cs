using System.Diagnostics;
using Palimpsest.Decoding;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Xunit.Abstractions;

namespace Palimpsest.Tests.Imaging;

/// <summary>Pictures of every format, broken in seeded ways: each gets an answer, none brings a decoder down.</summary>
public sealed class MutatedPicturesTests(ITestOutputHelper output)
{
    private const int Pictures = 900;

    [Fact]
    public async Task EveryBrokenPicture_IsAnsweredAndKillsNoDecoder()
    {
        await using var pool = DecoderFixture.CreatePool(new DecoderOptions { Processes = 1 });
        await pool.StartAsync(CancellationToken.None);
        int process = pool.ProcessIds.ShouldHaveSingleItem();
        string folder = Directory.CreateTempSubdirectory("palimpsest-mutated-").FullName;
        try
        {
            var (accepted, rejected, slowest) = (0, new Dictionary<string, int>(), TimeSpan.Zero);
            var random = new Random(20_261_122);
            byte[][] seeds = [.. Seeds()];
            for (int i = 0; i < Pictures; i++)
            {
                string upload = Path.Combine(folder, "upload"), prepared = Path.Combine(folder, "prepared");
                await File.WriteAllBytesAsync(upload, Mutate(seeds[i % seeds.Length], random));
                var clock = Stopwatch.StartNew();
                var (layout, refusal) = await pool.PrepareAsync(upload, prepared, CancellationToken.None);
                slowest = clock.Elapsed > slowest ? clock.Elapsed : slowest;
                if (layout is null)
                {
                    rejected[refusal!.Code] = rejected.GetValueOrDefault(refusal.Code) + 1;
                    continue;
                }

                accepted++;
                ShouldBeWhole(prepared, layout);
            }

            output.WriteLine($"files {Pictures} accepted {accepted} rejected {rejected.Values.Sum()} ({string.Join(", ", rejected)}) slowest {slowest.TotalSeconds:0.00} s");
            pool.ProcessIds.ShouldHaveSingleItem().ShouldBe(process); // the same one to the end
            slowest.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            accepted.ShouldBeInRange(Pictures / 10, Pictures * 9 / 10);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void ShouldBeWhole(string prepared, PreparedLayout layout)
    {
        using (var file = File.Open(prepared, FileMode.Open))
        {
            PreparedImage.Finish(
                file, layout.Facts.Geometry.AnalysedWidth, layout.Facts.Geometry.AnalysedHeight, layout.BlocksWide, layout.BlocksHigh, layout.CoefficientOffset, layout.Facts);
        }

        using var image = PreparedImage.Open(prepared);
        image.Pixels.Length.ShouldBe(image.Width * image.Height * 3);
        image.Coefficients.Length.ShouldBe(image.BlocksWide * image.BlocksHigh * 64);
    }

    private static IEnumerable<byte[]> Seeds()
    {
        byte[] pixels = TestPictures.Pixels(120, 90), frames = TestPictures.Pixels(64, 96);
        yield return TestPictures.WithExif(TestPictures.Jpeg(120, 90), 6, gps: true, (0x10F, "Maker"));
        yield return TestPictures.Jpeg(120, 90, 75, ("interlace", "true"));
        yield return TestPictures.Encode(pixels, 120, 90, "pngsave_buffer");
        yield return TestPictures.Encode(pixels, 120, 90, "pngsave_buffer", ("interlace", "true"), ("bitdepth", "16"));
        yield return TestPictures.Encode(pixels, 120, 90, "webpsave_buffer");
        yield return TestPictures.Encode(frames, 64, 96, "webpsave_buffer", ("page-height", 48));
        yield return TestPictures.Encode(frames, 64, 96, "gifsave_buffer", ("page-height", 48));
        yield return TestPictures.Encode(pixels, 120, 90, "tiffsave_buffer", ("compression", "lzw"));
        yield return TestPictures.Tiff(120, 90);
        yield return TestPictures.Encode(pixels, 120, 90, "heifsave_buffer", ("compression", "av1"), ("effort", "0"));
    }

    private static byte[] Mutate(byte[] picture, Random random)
    {
        byte[] broken = [.. picture];
        switch (random.Next(6))
        {
            case 0:
                return broken[..random.Next(broken.Length)];
            case 1:
                broken[random.Next(broken.Length)] ^= (byte)(1 << random.Next(8));
                return broken;
            case 2:
                for (int n = random.Next(1, 12); n > 0; n--)
                {
                    broken[random.Next(broken.Length)] = (byte)random.Next(256);
                }

                return broken;
            case 3: // header edits: large numbers where sizes and offsets are
                for (int n = random.Next(1, 4); n > 0; n--)
                {
                    broken[random.Next(Math.Min(200, broken.Length))] = (byte)(random.Next(2) == 0 ? 0xFF : 0x7F);
                }

                return broken;
            case 4:
                int from = random.Next(broken.Length), to = random.Next(broken.Length), length = Math.Min(random.Next(1, 300), broken.Length - Math.Max(from, to));
                picture.AsSpan(from, length).CopyTo(broken.AsSpan(to));
                return broken;
            default:
                int at = random.Next(broken.Length);
                return [.. broken[..at], .. broken[(at / 2)..at], .. broken[at..]];
        }
    }
}
