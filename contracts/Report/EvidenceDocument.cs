namespace Palimpsest.Contracts;

/// <summary>
/// One piece of evidence. Made when first asked for (<c>GET …/evidence/{name}?format=json</c>) and then kept with the analysis; until then its <see cref="State"/> is <c>available</c> and
/// only name, title, limits and source are filled. Evidence never changes the verdict.
/// </summary>
public sealed record EvidenceDocument
{
    /// <summary>One of <see cref="EvidenceNames"/>, or <c>activation-{detector}</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The method's usual name, for people.</summary>
    public required string Title { get; init; }

    /// <summary>One of <see cref="EvidenceStates"/>.</summary>
    public required string State { get; init; }

    /// <summary>One of <see cref="EvidenceFindings"/>; null unless completed, and for what is only there to look at.</summary>
    public string? Finding { get; init; }

    /// <summary>One plain sentence.</summary>
    public string? Summary { get; init; }

    /// <summary>What the method cannot show, plain sentences.</summary>
    public string? Limits { get; init; }

    /// <summary>Where the method is published.</summary>
    public string? Source { get; init; }

    /// <summary>Path of its map: PNG of the upload's displayed size, coloured by <see cref="Legend"/>; null when it has none.</summary>
    public string? Map { get; init; }

    /// <summary>What the map's colours mean, the same for every picture; null without a map.</summary>
    public EvidenceLegend? Legend { get; init; }

    /// <summary>Figures and findings, in the order to show them.</summary>
    public IReadOnlyList<EvidenceFact> Facts { get; init; } = [];

    /// <summary>Where it stands out; displayed pixels, largest first.</summary>
    public IReadOnlyList<PixelBox> Regions { get; init; } = [];

    /// <summary>Copy-move: areas with the same content.</summary>
    public IReadOnlyList<EvidencePair> Pairs { get; init; } = [];

    /// <summary>Perceptual hash: the tenant's earlier analyses of nearly the same picture, nearest first.</summary>
    public IReadOnlyList<SimilarAnalysis> Similar { get; init; } = [];

    /// <summary>Time it took to make, milliseconds.</summary>
    public double? DurationMs { get; init; }
}

/// <summary>The fixed scale of a map.</summary>
public sealed record EvidenceLegend
{
    /// <summary>What is measured, with its unit.</summary>
    public required string Quantity { get; init; }

    /// <summary>Colours along the scale, lowest first; between two the colour is mixed linearly. A categorical map lists its colours.</summary>
    public required IReadOnlyList<EvidenceColour> Colours { get; init; }

    /// <summary>True when the colours are categories and are not mixed.</summary>
    public bool Categories { get; init; }
}

/// <summary>A colour of a scale.</summary>
/// <param name="Colour"><c>#rrggbb</c>.</param>
/// <param name="Label">Value with unit, or category.</param>
public sealed record EvidenceColour(string Colour, string Label);

/// <summary>One figure or finding.</summary>
/// <param name="Label">What.</param>
/// <param name="Value">Its value, with unit.</param>
public sealed record EvidenceFact(string Label, string Value);

/// <summary>Two areas with the same content; displayed pixels. Which is the original cannot be told.</summary>
public sealed record EvidencePair
{
    /// <summary>One of them.</summary>
    public required PixelBox From { get; init; }

    /// <summary>The other.</summary>
    public required PixelBox To { get; init; }

    /// <summary>Single points and their copies: x, y, x', y'; at most 24.</summary>
    public required IReadOnlyList<IReadOnlyList<double>> Points { get; init; }

    /// <summary>Size of the second relative to the first.</summary>
    public required double Scale { get; init; }

    /// <summary>Rotation from the first to the second, degrees clockwise as seen.</summary>
    public required double Rotation { get; init; }
}

/// <summary>An earlier analysis of nearly the same picture, of the same tenant.</summary>
public sealed record SimilarAnalysis
{
    /// <summary><c>an_…</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Bits of 64 that differ; 0 looks the same.</summary>
    public required int Distance { get; init; }

    /// <summary>When it was accepted.</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Its verdict.</summary>
    public string? Verdict { get; init; }

    /// <summary>Path of the analysis.</summary>
    public required string Self { get; init; }
}

/// <summary>All evidence of an analysis.</summary>
/// <param name="Items">In the order to show it.</param>
public sealed record EvidenceList(IReadOnlyList<EvidenceDocument> Items);
