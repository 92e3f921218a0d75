using System.Buffers.Binary;
using System.Text;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Tests.Imaging;
using static Palimpsest.Tests.Evidence.MadePictures;

namespace Palimpsest.Tests.Evidence;

/// <summary>What files say of themselves, and the perceptual hash.</summary>
public sealed class FileFindingsTests
{
    [Fact]
    public void Metadata_OfOnePieceIsQuiet()
    {
        var found = Examine(Camera("2026:03:04 10:00:00", "2026:03:04 10:00:00", Thumbnail(1)), EvidenceNames.Metadata);

        found.Finding.ShouldBe(EvidenceFindings.NothingUnusual, found.Summary);
        found.Facts.Single(f => f.Label == "Embedded thumbnail").Value.ShouldContain("80 x 60");
    }

    [Fact]
    public void Metadata_ChangedBeforeItWasTakenIsUnusual() =>
        Examine(Camera("2026:03:04 10:00:00", "2025:01:01 00:00:00", null), EvidenceNames.Metadata).ShouldSatisfyAllConditions(
            a => a.Finding.ShouldBe(EvidenceFindings.Unusual), a => a.Summary.ShouldContain("changed before it was taken"));

    [Fact]
    public void Metadata_AThumbnailOfSomethingElseIsUnusual() =>
        Examine(Camera("2026:03:04 10:00:00", "2026:03:04 10:00:00", Thumbnail(2)), EvidenceNames.Metadata).Summary.ShouldContain("thumbnail shows something else");

    [Theory]
    [InlineData("Adobe Photoshop CS5 Windows", EvidenceFindings.Notable)]
    [InlineData("Stable Diffusion XL", EvidenceFindings.Unusual)]
    public void Metadata_NamesPrograms(string software, string finding)
    {
        var found = Examine(TestPictures.WithExif(Jpeg(Scene(1), 90), 1, gps: true, (0x131, software)), EvidenceNames.Metadata);

        found.Finding.ShouldBe(finding);
        found.Summary.ShouldContain(software);
        found.Facts.ShouldContain(new EvidenceFact("GPS position", "present"));
    }

    [Theory]
    [InlineData("Imagenomic Portraiture")]
    [InlineData("Canvas X Pro")]
    public void Metadata_APartOfAWordNamesNoProgram(string software) =>
        Examine(TestPictures.WithExif(Jpeg(Scene(1), 90), 1, gps: false, (0x131, software)), EvidenceNames.Metadata).Summary.ShouldNotContain(software);

    [Fact]
    public void Metadata_AThumbnailThatIsDescribedBadlyIsNone() =>
        Examine(Camera("2026:03:04 10:00:00", "2026:03:04 10:00:00", Thumbnail(1), offsets: 2), EvidenceNames.Metadata).Facts.ShouldNotContain(f => f.Label == "Embedded thumbnail");

    [Fact]
    public void Metadata_StrippedIsWorthKnowing() =>
        Examine(TestPictures.Encode(Scene(1), Width, Height, "jpegsave_buffer", ("Q", "90"), ("keep", "none")), EvidenceNames.Metadata).Summary.ShouldContain("no EXIF");

    [Theory]
    [InlineData("trainedAlgorithmicMedia", EvidenceFindings.Unusual)]
    [InlineData("compositeWithTrainedAlgorithmicMedia", EvidenceFindings.Unusual)]
    [InlineData("compositeCapture", EvidenceFindings.Notable)] // of photographs alone
    public void ContentCredentials_AreFoundAndNotVerified(string source, string finding)
    {
        byte[] store = [.. Encoding.ASCII.GetBytes("JP\0\u0001\0\0\0\u0001\0\0\u0001\0jumb\0\0\0\u0026jumdc2pa\0\u0011\0\u0010"), 0x80, 0, 0, 0xAA, .. Encoding.ASCII.GetBytes(
            "c2pa.actions...c2pa.created...http://cv.iptc.org/newscodes/digitalsourcetype/" + source)];
        var found = Examine(TestPictures.InsertSegment(Jpeg(Scene(1), 90), 0xEB, store), EvidenceNames.C2pa);

        found.Finding.ShouldBe(finding);
        found.Summary.ShouldContain("not verified");
        found.Facts.ShouldContain(new EvidenceFact("Digital source type", source));
        found.Facts.ShouldContain(new EvidenceFact("Actions", "c2pa.created"));
    }

    [Fact]
    public void ContentCredentials_AbsenceIsNoEvidence() =>
        Examine(Jpeg(Scene(1), 90), EvidenceNames.C2pa).ShouldSatisfyAllConditions(a => a.Finding.ShouldBe(EvidenceFindings.NothingUnusual), a => a.Summary.ShouldContain("no evidence of anything"));

    [Fact]
    public void Hash_SurvivesSavingAndSmallEditsAndTellsScenesApart()
    {
        ulong original = Hash(Scene(1));
        PerceptualHash.Distance(original, Hash(Saved(Scene(1), 50))).ShouldBeLessThanOrEqualTo(2);
        PerceptualHash.Distance(original, Hash(Scene(2))).ShouldBeGreaterThan(15);
        PerceptualHash.FromText(PerceptualHash.ToText(original)).ShouldBe(original);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(6)]
    [InlineData(8)]
    public void Hash_IsOfThePictureAsShown(int orientation)
    {
        // The same scene, its pixels turned so that the orientation turns them back.
        byte[] shown = Scene(1);
        bool swaps = orientation >= 5;
        var (width, height) = swaps ? (Height, Width) : (Width, Height);
        var stored = new byte[shown.Length];
        for (int y = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                var (u, v) = orientation switch { 3 => (Width - 1 - x, Height - 1 - y), 6 => (Width - 1 - y, x), _ => (y, Height - 1 - x) };
                shown.AsSpan(((v * Width) + u) * 3, 3).CopyTo(stored.AsSpan(((y * width) + x) * 3));
            }
        }

        PerceptualHash.Distance(Hash(shown), PerceptualHash.Of(stored, width, height, orientation)).ShouldBeLessThanOrEqualTo(2);
    }

    [Theory]
    [InlineData(1152, 896, "fefffff8e0800000")]
    [InlineData(333, 500, "ce8f0c1cfef8f080")]
    [InlineData(40, 20, "29962b55a952b56b")]
    public void Hash_StaysComparableWithThoseInDatabases(int width, int height, string known)
    {
        var pixels = new byte[width * height * 3];
        for (int i = 0; i < pixels.Length; i++)
        {
            int x = i / 3 % width, y = i / 3 / width, band = i % 3;
            pixels[i] = unchecked((byte)((x * x * (band + 1) / width) + (y * (y + (7 * x)) / height)));
        }

        PerceptualHash.ToText(PerceptualHash.Of(pixels, width, height, 1)).ShouldBe(known);
    }

    private static ulong Hash(byte[] pixels) => PerceptualHash.Of(pixels, Width, Height, 1);

    private static byte[] Thumbnail(int seed)
    {
        byte[] scene = Scene(seed), small = new byte[80 * 60 * 3];
        for (int y = 0; y < 60; y++)
        {
            for (int x = 0; x < 80; x++)
            {
                for (int band = 0; band < 3; band++)
                {
                    int sum = 0;
                    for (int k = 0; k < 36; k++)
                    {
                        sum += scene[(((((y * 6) + (k / 6)) * Width) + (x * 6) + (k % 6)) * 3) + band];
                    }

                    small[(((y * 80) + x) * 3) + band] = (byte)(sum / 36);
                }
            }
        }

        return TestPictures.Encode(small, 80, 60, "jpegsave_buffer", ("Q", "80"), ("keep", "none"));
    }

    /// <summary>Scene 1 as a camera writes it: maker, dates in the EXIF directory, a thumbnail in the second.</summary>
    private static byte[] Camera(string taken, string changed, byte[]? thumbnail, int offsets = 1)
    {
        var tiff = new byte[200 + (thumbnail?.Length ?? 0)];
        "II*\0"u8.CopyTo(tiff);
        BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(4), 8);
        int at = 8;
        Directory(3, thumbnail is null ? 0 : 120, (0x10F, 2, 4, BitConverter.ToInt32("Cam\0"u8)), (0x132, 2, 20, 160), (0x8769, 4, 1, 60));
        at = 60;
        Directory(1, 0, (0x9003, 2, 20, 180));
        Encoding.ASCII.GetBytes(changed).CopyTo(tiff, 160);
        Encoding.ASCII.GetBytes(taken).CopyTo(tiff, 180);
        if (thumbnail is not null)
        {
            at = 120;
            Directory(2, 0, (0x201, 4, offsets, 200), (0x202, 4, 1, thumbnail.Length));
            thumbnail.CopyTo(tiff, 200);
        }

        return TestPictures.InsertSegment(TestPictures.Encode(Scene(1), Width, Height, "jpegsave_buffer", ("Q", "90"), ("keep", "none")), 0xE1, [.. "Exif\0\0"u8, .. tiff]);

        void Directory(int count, int next, params (int Tag, int Type, int Count, int Value)[] entries)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(at), (ushort)count);
            at += 2;
            foreach (var (tag, type, length, value) in entries)
            {
                BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(at), (ushort)tag);
                BinaryPrimitives.WriteUInt16LittleEndian(tiff.AsSpan(at + 2), (ushort)type);
                BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(at + 4), length);
                BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(at + 8), value);
                at += 12;
            }

            BinaryPrimitives.WriteInt32LittleEndian(tiff.AsSpan(at), next);
        }
    }
}
