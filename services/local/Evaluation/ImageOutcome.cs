namespace Palimpsest.Local.Evaluation;

/// <summary>One labelled picture, analysed: a row of per-image.csv and everything the figures are made from. No pixels.</summary>
internal sealed record ImageOutcome
{
    public required EvaluationItem Item { get; init; }

    /// <summary>Why there is no result; null when there is one.</summary>
    public string? Error { get; init; }

    /// <summary>likely_real, uncertain or likely_fake.</summary>
    public string? Verdict { get; init; }

    /// <summary>Calibrated probability of manipulation.</summary>
    public double? Score { get; init; }

    /// <summary>What was found: shallowfake, deepfake, both or none.</summary>
    public string? FoundKind { get; init; }

    /// <summary>Raw and calibrated score of each localizer that ran.</summary>
    public IReadOnlyDictionary<string, (double? Raw, double? Calibrated)> Scores { get; init; } = new Dictionary<string, (double?, double?)>(StringComparer.Ordinal);

    /// <summary>Where the router sent it at once.</summary>
    public IReadOnlyList<string> RoutedTo { get; init; } = [];

    /// <summary>The mask against the truth; null without truth.</summary>
    public PixelMetrics? Pixel { get; init; }

    /// <summary>No pixel of the mask is above 0.5.</summary>
    public bool EmptyMask { get; init; }

    /// <summary>Share of the picture above 0.5.</summary>
    public double? ManipulatedArea { get; init; }

    /// <summary>Milliseconds.</summary>
    public double DurationMs { get; init; }

    /// <summary>How long a worker had it: degrading, analysis and measuring.</summary>
    public TimeSpan Took { get; init; }

    /// <summary>The score with its label; null when there is none.</summary>
    public Judged? Judged => Score is { } score ? new Judged(score, Item.Forged) : null;
}
