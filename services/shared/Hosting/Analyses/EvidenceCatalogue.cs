using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>What can be said of each kind of evidence before a picture is looked at: title, limits, source, the fixed scale of its map. docs/evidence.md has the whole of it.</summary>
public static class EvidenceCatalogue
{
    // Dark to light (matplotlib's magma at quarters): readable by the colour-blind and in grey.
    private static readonly string[] Sequential = ["#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf"];

    // Blue below, near-black in the middle, orange above.
    private static readonly string[] Diverging = ["#7fc8ff", "#2166ac", "#16161a", "#c55a11", "#ffc37f"];

    private static readonly Dictionary<string, EvidenceDocument> Kinds = new[]
    {
        Kind(EvidenceNames.CopyMove, "Copy-move matches",
            "Finds textured areas of at least about 24 pixels that were moved, turned or scaled within the picture; very smooth copies and copies changed strongly afterwards are missed. Real repetition (tiles, windows, print) can match as well. Which of two areas is the original cannot be told.",
            "Lowe 2004 (SIFT); Amerini et al. 2011 (copy-move by keypoints); Fridrich, Soukal and Lukáš 2003 (block matching)",
            Categories("Areas with the same content", ("#101014", "no match"), ("#3fa7ff", "an area"), ("#ff8c1a", "its copy"), ("#ffffff", "matching points"))),
        Kind(EvidenceNames.DoubleQuantisation, "Double quantisation",
            "Needs a JPEG that was saved twice, the second time at the higher quality, without cropping or resizing between; says nothing of other files.",
            "Lin et al. 2009; Bianchi and Piva 2012",
            Scale("Probability that a block was not compressed twice as the rest was", "0", "0.25", "0.5", "0.75", "1")),
        Kind(EvidenceNames.Ghosts, "JPEG ghosts",
            "Sees a part whose earlier JPEG quality differs from the rest's, with the blocks in line with the picture's; a last save at lower quality wipes it out.",
            "Farid 2009",
            Scale("How much deeper than elsewhere the error's minimum at an earlier quality is", "0", "0.1", "0.2", "0.3", "0.4 or more")),
        Kind(EvidenceNames.Grid, "Blocking grid",
            "Sees the 8×8 grid of an earlier JPEG that does not fall on the picture's own; needs visible compression and is lost by resizing.",
            "Fan and de Queiroz 2003; Li, Yuan and Yu 2009; Chen and Hsu 2008",
            Scale("Strength of a grid other than the picture's own, standard deviations", "3 or less", "4.75", "6.5", "8.25", "10 or more")),
        Kind(EvidenceNames.ErrorLevel, "Error level analysis",
            "Edges and texture always show more error than smooth areas; only a difference between like surfaces means anything. After one more strong compression nothing is left.",
            "Krawetz 2007",
            Scale("Mean change of luminance when saved again as JPEG 90, grey levels", "0", "1", "2", "3", "4 or more")),
        Kind(EvidenceNames.NoiseVariance, "Local noise variance",
            "Texture reads as noise, and compression and noise reduction remove noise from smooth areas, so blur, sky and foliage differ honestly.",
            "Mahdian and Saic 2009; Donoho and Johnstone 1994 (median estimator); Liu et al. 2012 (calmest parts)",
            new EvidenceLegend { Quantity = "Noise against that of equally bright and textured parts, their standard deviations", Colours = Steps(Diverging, "-4 or less", "-2", "as elsewhere", "2", "4 or more") }),
        Kind(EvidenceNames.Noise, "Noise residual",
            "For looking: what a 3×3 median takes away. Edges remain in it. Areas without any grain may be retouched, or only smooth, out of focus or strongly compressed.",
            "Immerkær 1996 (noise level); median residual as in Chang et al. 2013",
            Scale("Mean absolute residual, grey levels", "0", "1.5", "3", "4.5", "6 or more")),
        Kind(EvidenceNames.Quantisation, "Quantisation tables",
            "Tells which family of programs wrote the file last, not what was done to the picture. Many cameras use the standard tables too.",
            "ITU-T T.81 Annex K; Kornblum 2008", null),
        Kind(EvidenceNames.Metadata, "Metadata",
            "Metadata can be removed or invented without touching the picture; most platforms strip it. Its absence proves nothing.",
            "Exif 2.32; XMP; IPTC photo metadata", null),
        Kind(EvidenceNames.C2pa, "Content credentials",
            "Only looks whether a C2PA manifest is there and what it says of its source; its signature is not verified. Absence is not evidence of anything.",
            "C2PA 2.1; IPTC digital source type", null),
        Kind(EvidenceNames.Hash, "Near-duplicates",
            "Compares with your own earlier submissions that are still kept. Crops, turns and mirror images are not recognised.",
            "Zauner 2010 (pHash); Norouzi, Punjani and Fleet 2012 (multi-index hashing)", null),
    }.ToDictionary(k => k.Name, StringComparer.Ordinal);

    /// <summary>The kind as an entry that has not been made.</summary>
    /// <param name="name">One of <see cref="EvidenceNames"/>.</param>
    public static EvidenceDocument Of(string name) => Kinds[name];

    /// <summary>True for one of <see cref="EvidenceNames"/>.</summary>
    public static bool Knows(string name) => Kinds.ContainsKey(name);

    /// <summary>The evidence of a finished analysis, nothing made yet.</summary>
    /// <param name="record">Succeeded and not erased.</param>
    /// <param name="self">Path of the analysis.</param>
    public static IReadOnlyList<EvidenceDocument> List(AnalysisRecord record, string self)
    {
        ArgumentNullException.ThrowIfNull(record);
        bool jpeg = (record.Findings.Format ?? record.Request.Format) == "jpeg";
        return
        [
            .. record.Findings.Detectors.Where(d => d.Activation is not null).Select(d => Activation(d.Name, self)),
            .. EvidenceNames.All.Select(name => Of(name)).Select(kind => kind switch
            {
                { Name: EvidenceNames.DoubleQuantisation or EvidenceNames.Quantisation } when !jpeg =>
                    kind with { State = EvidenceStates.NotApplicable, Summary = "The file is not a JPEG, so it has no quantised coefficients of its own.", Legend = null },
                { Legend: not null } => kind with { Map = $"{self}/evidence/{kind.Name}" },
                _ => kind,
            }),
        ];
    }

    private static EvidenceDocument Activation(string detector, string self) => new()
    {
        Name = "activation-" + detector,
        Title = $"What the {detector} network looked at",
        State = EvidenceStates.Completed,
        Summary = $"Where the {detector} network's judgement of the whole picture comes from (class-activation map).",
        Limits = "Shows what the network weighed, not what was edited.",
        Source = "Zhou et al. 2016 (class-activation maps)",
        Map = $"{self}/evidence/activation-{detector}",
        Legend = new EvidenceLegend { Quantity = "Weight in the network's judgement, share of its maximum", Colours = [new("#000000", "none"), new("#ffffff", "most")] },
    };

    private static EvidenceDocument Kind(string name, string title, string limits, string source, EvidenceLegend? legend) =>
        new() { Name = name, Title = title, State = EvidenceStates.Available, Limits = limits, Source = source, Legend = legend };

    private static EvidenceLegend Scale(string quantity, params string[] labels) => new() { Quantity = quantity, Colours = Steps(Sequential, labels) };

    private static EvidenceColour[] Steps(string[] colours, params string[] labels) => [.. colours.Zip(labels, (colour, label) => new EvidenceColour(colour, label))];

    private static EvidenceLegend Categories(string quantity, params (string Colour, string Label)[] categories) =>
        new() { Quantity = quantity, Categories = true, Colours = [.. categories.Select(c => new EvidenceColour(c.Colour, c.Label))] };
}
