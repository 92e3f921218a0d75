using System.Buffers.Binary;
using System.Text;
using Palimpsest.Contracts;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>
/// A few small pictures in any number of files: each file carries a comment of its own, so that no two have the same bytes and the result cache answers none of them, while the
/// picture, and with it the mask, stays one of a few.
/// </summary>
internal sealed class LedgerPictures
{
    // The last shows the face finder something; without face crop the router is asked about any picture. Either way a localizer may be deferred.
    private static readonly (int Seed, int Width, int Height, bool FaceCrop)[] Contents =
        [(500, 128, 96, true), (501, 64, 64, true), (503, 96, 72, false), (504, 80, 112, false), (505, 64, 64, false), (506, 72, 48, true), (502, 256, 192, true)];

    private readonly byte[][] jpegs;

    private LedgerPictures(byte[][] jpegs, QuietRun[] quiet) => (this.jpegs, Quiet) = (jpegs, quiet);

    /// <summary>What each gives when nothing disturbs it.</summary>
    public IReadOnlyList<QuietRun> Quiet { get; }

    public static async Task<LedgerPictures> MakeAsync()
    {
        byte[][] jpegs = [.. Contents.Select(c => TestPictures.Forged(c.Seed, c.Width, c.Height))];
        var quiet = await QuietRun.OfAsync([.. jpegs.Select((jpeg, i) => (jpeg, Options(i)))]);
        quiet.ShouldContain(q => Ran(q).Count == 1 && Ran(q)[0] == DetectorNames.Shallowfake, "one localizer");
        quiet.ShouldContain(q => Ran(q).Contains(DetectorNames.Deepfake), "the other");
        quiet.ShouldContain(q => Ran(q).Count == 2, "both");
        quiet.Select(q => q.Result.Result!.Verdict).Distinct().Count().ShouldBeGreaterThan(1, "pictures that all give the same could be taken for each other");
        return new LedgerPictures(jpegs, quiet);
    }

    /// <summary>How submission <paramref name="number"/> is to be analysed.</summary>
    public static AnalysisOptions Options(int number) => new() { FaceCrop = Contents[number % Contents.Length].FaceCrop };

    /// <summary>The picture of submission <paramref name="number"/>.</summary>
    public byte[] Sound(int number) => Commented(jpegs[number % jpegs.Length], $"submission {number}");

    /// <summary>What it has to give.</summary>
    public QuietRun QuietOf(int number) => Quiet[number % jpegs.Length];

    /// <summary>Accepted by its first bytes, and cut off in the middle: the decoder refuses it.</summary>
    public byte[] Poison(int number)
    {
        byte[] whole = Sound(number);
        return whole[..(whole.Length / 2)];
    }

    /// <summary>No picture at all: refused at the door.</summary>
    public static byte[] Text(int number) => Encoding.UTF8.GetBytes($"This is not a picture but submission {number}.");

    private static List<string> Ran(QuietRun run) => [.. run.Result.Detectors.Where(d => d.State == DetectorStates.Completed).Select(d => d.Name)];

    /// <summary>A COM segment right after the start of the image.</summary>
    private static byte[] Commented(byte[] jpeg, string text)
    {
        byte[] comment = [0xFF, 0xFE, 0, 0, .. Encoding.ASCII.GetBytes(text)];
        BinaryPrimitives.WriteUInt16BigEndian(comment.AsSpan(2), (ushort)(comment.Length - 2));
        return [.. jpeg.AsSpan(0, 2), .. comment, .. jpeg.AsSpan(2)];
    }
}
