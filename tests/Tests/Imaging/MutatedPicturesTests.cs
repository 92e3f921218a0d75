using System.Diagnostics;
using Palimpsest.Decoding;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Malformed;
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
            var summary = new MalformedSummary();
            await using (var memory = new TreeMemory(() => process))
            {
                foreach (byte[] broken in SeedPictures.Broken(seed: 20_261_122).Take(Pictures))
                {
                    string upload = Path.Combine(folder, "upload"), prepared = Path.Combine(folder, "prepared");
                    await File.WriteAllBytesAsync(upload, broken);
                    long start = Stopwatch.GetTimestamp();
                    var (layout, refusal) = await pool.PrepareAsync(upload, prepared, CancellationToken.None);
                    summary.Add(refusal?.Code, serverError: false, Stopwatch.GetElapsedTime(start));
                    if (layout is not null)
                    {
                        ShouldBeWhole(prepared, layout);
                    }
                }

                summary.PeakBytes = memory.PeakBytes;
            }

            output.WriteLine(summary.ToString());
            output.WriteLine(summary.Details());
            pool.ProcessIds.ShouldHaveSingleItem().ShouldBe(process); // the same one to the end
            summary.Slowest.ShouldBeLessThan(TimeSpan.FromSeconds(10));
            summary.PeakBytes.ShouldBeInRange(20L << 20, 700L << 20);
            summary.Accepted.ShouldBeInRange(Pictures / 10, Pictures * 9 / 10);
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
}
