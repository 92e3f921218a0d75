using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;
using Palimpsest.Imaging;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Which family of programs wrote the file last, by its quantisation tables (J. Kornblum, "Using JPEG quantization tables to identify imagery processed by software", 2008).
/// </summary>
internal static class QuantisationTables
{
    public static Look Examine(Upload upload)
    {
        if (upload.Format != ImageFormats.Jpeg || JpegFile.Read(upload.Bytes.Span, wantCoefficients: false).Facts is not { } facts)
        {
            return Look.NotApplicable("The file is not a JPEG, so it has no quantisation tables.");
        }

        var known = KnownTables.Find(facts.LuminanceTable, facts.ChrominanceTable);
        string quality = $"about {facts.QualityEstimate} of 100";
        return new Look
        {
            Finding = known.Editor ? EvidenceFindings.Notable : EvidenceFindings.NothingUnusual,
            Summary = known.Editor
                ? $"The tables are those of {known.Name}: the file was last saved by it."
                : $"Nothing unusual: {known.Name}, quality {quality}.",
            Facts =
            [
                new("Tables", known.Name),
                new("Estimated quality", facts.StandardTable ? $"{facts.QualityEstimate} of 100" : $"{quality} (nearest standard table)"),
                new("Chroma subsampling", facts.Subsampling),
                new("Coding", facts.Progressive ? "progressive" : "baseline"),
                new("Luminance table", string.Join(' ', facts.LuminanceTable.Take(16)) + " …"),
            ],
        };
    }
}

/// <summary>What is known of tables.</summary>
internal static class KnownTables
{
    /// <summary>A family of tables.</summary>
    /// <param name="Name">For people.</param>
    /// <param name="Editor">Only an editing program writes them.</param>
    internal sealed record Family(string Name, bool Editor);

    /// <summary>The family of a pair of tables, zigzag order.</summary>
    public static Family Find(IReadOnlyList<int> luminance, IReadOnlyList<int>? chrominance)
    {
        foreach (var (name, y, c) in AdobeTables.All)
        {
            if (y.SequenceEqual(luminance) && (chrominance is null || c.SequenceEqual(chrominance)))
            {
                return new Family($"Adobe Photoshop ({name})", Editor: true);
            }
        }

        var (quality, exact) = StandardTables.Nearest(luminance);
        if (exact)
        {
            bool both = chrominance is null || StandardTables.NearestChrominance(chrominance) is (var c, true) && c == quality;
            return both
                ? new Family($"the standard tables (IJG) of quality {quality}, as most software and many phones write", Editor: false)
                : new Family($"the standard luminance table (IJG) of quality {quality} with another chrominance table, as some cameras and web services write", Editor: false);
        }

        if (luminance.All(v => v == luminance[0]))
        {
            return new Family("flat tables, as lossless-minded encoders write", Editor: false);
        }

        if (StandardTables.IsScaled(luminance))
        {
            return new Family("the standard table (IJG) scaled freely, as many cameras write", Editor: false);
        }

        return new Family("tables of its own, as camera makers, Adobe and web services write", Editor: false);
    }
}
