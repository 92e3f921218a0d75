using Palimpsest.Imaging;

namespace Palimpsest.Decoder.Jpeg;

/// <summary>What we read from a JPEG file ourselves, beside the decoder: facts for the report, coefficients for the models.</summary>
internal static class JpegFile
{
    /// <summary>Reads facts, and coefficients when wanted. Never throws for what is in the file: what cannot be read is null.</summary>
    public static (JpegFacts? Facts, LuminanceCoefficients? Coefficients) Read(ReadOnlySpan<byte> file, bool wantCoefficients)
    {
        var header = new JpegHeader();
        int position = 0;
        if (!header.ReadToScan(file, ref position, out var scan) || header.Frame == 0 || header.Table(0) is not { } luminance)
        {
            return (null, null);
        }

        var (quality, exact) = StandardTables.Nearest(luminance);
        var facts = new JpegFacts
        {
            LuminanceTable = luminance,
            ChrominanceTable = header.Table(1),
            QualityEstimate = quality,
            StandardTable = exact,
            Subsampling = Subsampling(header.Components),
            Progressive = header.Progressive,
        };
        return (facts, wantCoefficients ? LuminanceCoefficients.TryRead(file, header, position, scan) : null);
    }

    /// <summary>True when the file's markers lead to its end and no end-of-image marker was among them.</summary>
    public static bool IsCut(ReadOnlySpan<byte> file)
    {
        var header = new JpegHeader();
        int position = 0;
        while (header.ReadToScan(file, ref position, out _))
        {
            // On to the next: the entropy-coded data between is stepped over.
        }

        return header.RanOut;
    }

    /// <summary>J:a:b where the usual notation has a name for it, else the components' factors, e.g. 1x1,2x1,2x1.</summary>
    private static string Subsampling(IReadOnlyList<JpegComponent> components)
    {
        if (components.Count == 1)
        {
            return "4:0:0";
        }

        bool simple = components.Skip(1).All(c => c.Horizontal == 1 && c.Vertical == 1);
        return (simple ? (components[0].Horizontal, components[0].Vertical) : (0, 0)) switch
        {
            (1, 1) => "4:4:4",
            (2, 1) => "4:2:2",
            (2, 2) => "4:2:0",
            (1, 2) => "4:4:0",
            (4, 1) => "4:1:1",
            (4, 2) => "4:1:0",
            _ => string.Join(',', components.Select(c => $"{c.Horizontal}x{c.Vertical}")),
        };
    }
}
