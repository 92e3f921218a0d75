namespace Palimpsest.Contracts;

/// <summary>Event: the router's judgement and which localizers look at the picture.</summary>
public sealed record AnalysisRouted
{
    /// <summary>The analysis, <c>an_…</c>.</summary>
    public required string AnalysisId { get; init; }

    /// <summary>The prepared image, so that reporting can send a deferred localizer its work.</summary>
    public required BlobReference Prepared { get; init; }

    /// <summary>What preprocessing said of the picture: reporting hears it here, in one message and one commit. Null from a router of an earlier version.</summary>
    public ImagePreprocessed? Preprocessed { get; init; }

    /// <summary>Router model's probability that a manipulation here would be a shallowfake; null without a router model.</summary>
    public double? Shallowfake { get; init; }

    /// <summary>Router model's probability that a manipulation here would be a deepfake; null without a router model.</summary>
    public double? Deepfake { get; init; }

    /// <summary>Why, in words.</summary>
    public required IReadOnlyList<string> Reasons { get; init; }

    /// <summary>One entry for each known localizer.</summary>
    public required IReadOnlyList<DetectorPlan> Plan { get; init; }

    /// <summary>The client's options.</summary>
    public required AnalysisOptions Options { get; init; }
}

/// <summary>What routing decided for one localizer.</summary>
public sealed record DetectorPlan
{
    /// <summary>One of <see cref="DetectorNames"/>.</summary>
    public required string Detector { get; init; }

    /// <summary>One of <see cref="DetectorActions"/>.</summary>
    public required string Action { get; init; }

    /// <summary>Reason for an action other than run.</summary>
    public string? Reason { get; init; }
}

/// <summary>What to do with a localizer.</summary>
public static class DetectorActions
{
    /// <summary>Runs now; routing has sent the command.</summary>
    public const string Run = "run";

    /// <summary>Runs only if those that ran first find nothing: a picture is called real only after every applicable localizer has looked.</summary>
    public const string RunIfClean = "run_if_clean";

    /// <summary>Not made for this picture, or not asked for.</summary>
    public const string NotApplicable = "not_applicable";

    /// <summary>Wanted but no instance is alive.</summary>
    public const string Unavailable = "unavailable";
}
