using Palimpsest.Contracts;
using Palimpsest.Decoder.Evidence;
using Palimpsest.Decoder.Jpeg;
using static Palimpsest.Tests.Evidence.MadePictures;

namespace Palimpsest.Tests.Evidence;

/// <summary>Each method on a picture made to show it and on one made not to.</summary>
public sealed class MethodTests
{
    [Theory]
    [InlineData(1.0, 0)]
    [InlineData(1.12, 15)]
    public void CopyMove_DrawsThePair(double scale, double degrees)
    {
        byte[] scene = Scene(5);
        double turn = degrees * Math.PI / 180, cos = Math.Cos(turn) / scale, sin = Math.Sin(turn) / scale;
        // Each place of the copy shows the original around (130, 120), turned and scaled.
        (double X, double Y) Back(double x, double y) => (130 + (cos * (x - 336)) + (sin * (y - 240)), 120 - (sin * (x - 336)) + (cos * (y - 240)));
        byte[] forged = Paste(scene, (x, y) =>
        {
            var (u, v) = Back(x, y);
            return Pixel(scene, u, v);
        });

        var found = Examine(Jpeg(forged, 90), EvidenceNames.CopyMove);

        found.Finding.ShouldBe(EvidenceFindings.Unusual);
        found.HasMap.ShouldBeTrue();
        var pair = found.Pairs.ShouldHaveSingleItem();
        Math.Max(Overlap(pair.From, Place), Overlap(pair.To, Place)).ShouldBeGreaterThan(0.5, $"{pair.From} {pair.To}");
        bool backwards = Overlap(pair.From, Place) > Overlap(pair.To, Place);
        Math.Abs(Math.Log(pair.Scale) - (backwards ? -Math.Log(scale) : Math.Log(scale))).ShouldBeLessThan(0.03);
        pair.Points.Count.ShouldBeGreaterThanOrEqualTo(5);
        foreach (var p in pair.Points)
        {
            var (u, v) = backwards ? Back(p[0], p[1]) : Back(p[2], p[3]);
            (Math.Abs(u - (backwards ? p[2] : p[0])) + Math.Abs(v - (backwards ? p[3] : p[1]))).ShouldBeLessThan(5);
        }
    }

    [Fact]
    public void CopyMove_IsQuietWithout() => Quiet(Examine(Jpeg(Scene(5), 90), EvidenceNames.CopyMove));

    [Theory]
    [InlineData(70, 92)]
    [InlineData(60, 88)]
    public void DoubleQuantisation_PointsToThePastedPart(int first, int second) =>
        PointsTo(Examine(Jpeg(Paste(Saved(Scene(1), first), Scene(2)), second), EvidenceNames.DoubleQuantisation));

    [Theory]
    [InlineData(70, 92)]
    [InlineData(100, 90)]
    public void DoubleQuantisation_IsQuietWhenAllWasSavedAlike(int first, int second) =>
        Quiet(Examine(Jpeg(first == 100 ? Scene(1) : Saved(Scene(1), first), second), EvidenceNames.DoubleQuantisation));

    [Fact]
    public void DoubleQuantisation_SaysNothingOfAPng() =>
        Examine(Png(Scene(1)), EvidenceNames.DoubleQuantisation).ShouldSatisfyAllConditions(a => a.State.ShouldBe(EvidenceStates.NotApplicable), a => a.HasMap.ShouldBeFalse());

    [Fact]
    public void Ghosts_PointToThePastedPartAndItsQuality()
    {
        var found = Examine(Jpeg(Paste(Scene(1), Saved(Scene(2), 60)), 96), EvidenceNames.Ghosts);

        // Averaging over 40 pixels takes the rim off.
        PointsTo(found, 0.3);
        found.Facts.Single(f => f.Label == "Ghost at quality").Value.ShouldBeOneOf("about 58", "about 60", "about 62");
    }

    [Fact]
    public void Ghosts_AreQuietInAPictureSavedTwice() => Quiet(Examine(Jpeg(Saved(Scene(1), 70), 92), EvidenceNames.Ghosts));

    [Fact]
    public void Ghosts_AreQuietInAPictureSavedOnce() => Quiet(Examine(Jpeg(Scene(1), 92), EvidenceNames.Ghosts));

    [Fact]
    public void Grid_PointsToAPartWithAnotherGrid()
    {
        var found = Examine(Png(Paste(Saved(Scene(1), 60), Saved(Scene(2), 40), dx: 3, dy: 5)), EvidenceNames.Grid);

        PointsTo(found, 0.3);
        found.Facts.Single(f => f.Label == "Other grid in the area").Value.ShouldBe("at 5, 3");
        found.Facts.Single(f => f.Label == "Own grid").Value.ShouldBe("of an earlier JPEG, at 0, 0");
    }

    [Fact]
    public void Grid_IsQuietWithItsOwnGridAlone() => Quiet(Examine(Png(Saved(Scene(1), 60)), EvidenceNames.Grid));

    /// <summary>A picture saved, cut off its grid and saved again: the old grid is everywhere, so it marks no part.</summary>
    [Fact]
    public void Grid_OverAllOfThePictureIsNoPart()
    {
        byte[] first = Saved(Scene(1), 55);
        byte[] cut = Shifted(first, 3, 5);
        Examine(Jpeg(cut, 98), EvidenceNames.Grid).Finding.ShouldNotBe(EvidenceFindings.Unusual);
    }

    [Fact]
    public void ErrorLevel_PointsToAPartThatWasNeverSaved() => PointsTo(Examine(Png(Paste(Saved(Scene(1), 90), Scene(2))), EvidenceNames.ErrorLevel));

    [Fact]
    public void ErrorLevel_IsQuietWhenAllWasSavedAlike() => Quiet(Examine(Png(Saved(Scene(1), 90)), EvidenceNames.ErrorLevel));

    [Fact]
    public void NoiseVariance_PointsToANoisierPart() => PointsTo(Examine(Png(Paste(Scene(1), Scene(2, grain: 8))), EvidenceNames.NoiseVariance));

    [Theory]
    [InlineData(8, 98)]
    [InlineData(12, 92)]
    public void NoiseVariance_StillDoesWhenSavedAfterwards(double grain, int quality) =>
        PointsTo(Examine(Jpeg(Paste(Scene(1), Scene(2, grain)), quality), EvidenceNames.NoiseVariance));

    [Fact]
    public void NoiseVariance_IsQuietWhereNoiseIsTheSame() => Quiet(Examine(Png(Paste(Scene(1), Scene(2))), EvidenceNames.NoiseVariance));

    [Fact]
    public void Noise_MeasuresWhatWasAdded()
    {
        var random = new Random(3);
        byte[] pixels = [.. Enumerable.Range(0, Width * Height).SelectMany(_ =>
        {
            byte value = (byte)Math.Round(128 + (5 * 2 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5)));
            return new[] { value, value, value };
        })];

        string sigma = Examine(Png(pixels), EvidenceNames.Noise).Facts.Single(f => f.Label.StartsWith("Noise level", StringComparison.Ordinal)).Value;

        double.Parse(sigma.Split(' ')[0]).ShouldBe(5, 0.3);
        double.Parse(Examine(Png([.. Enumerable.Repeat((byte)90, Width * Height * 3)]), EvidenceNames.Noise).Facts[0].Value.Split(' ')[0]).ShouldBe(0);
    }

    [Fact]
    public void Quantisation_KnowsTheStandardTables()
    {
        var found = Examine(Jpeg(Scene(1), 83), EvidenceNames.Quantisation);

        found.Finding.ShouldBe(EvidenceFindings.NothingUnusual);
        found.Facts[0].Value.ShouldContain("quality 83");
        found.Facts[1].Value.ShouldBe("83 of 100");
    }

    [Fact]
    public void Quantisation_KnowsPhotoshopFreeScalesAndStrangers()
    {
        foreach (var (preset, luminance, chrominance) in AdobeTables.All)
        {
            KnownTables.Find(luminance, chrominance).ShouldBe(new KnownTables.Family($"Adobe Photoshop ({preset})", Editor: true));
        }

        int[] scaled = [.. StandardTables.OfQuality(50).Select(v => (int)Math.Round(v * 0.31))];
        KnownTables.Find(scaled, null).Name.ShouldContain("scaled freely");
        KnownTables.Find([.. Enumerable.Range(1, 64)], null).Name.ShouldContain("of its own");
        KnownTables.Find([.. StandardTables.OfQuality(80)], [.. Enumerable.Range(1, 64)]).Name.ShouldContain("another chrominance");
    }

    private static void PointsTo(Palimpsest.Imaging.Protocol.EvidenceAnswer found, double overlap = 0.4)
    {
        found.Finding.ShouldBe(EvidenceFindings.Unusual, found.Summary);
        found.HasMap.ShouldBeTrue();
        Overlap(found.Regions[0], Place).ShouldBeGreaterThan(overlap, found.Regions[0].ToString());
    }

    private static void Quiet(Palimpsest.Imaging.Protocol.EvidenceAnswer found)
    {
        found.Finding.ShouldBe(EvidenceFindings.NothingUnusual, found.Summary);
        found.Summary.ShouldStartWith("Nothing unusual");
        found.Regions.ShouldBeEmpty();
        found.Pairs.ShouldBeEmpty();
    }
}
