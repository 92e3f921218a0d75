namespace Palimpsest.Contracts;

/// <summary>The two kinds of localizer, as they appear in queues, options and reports.</summary>
public static class DetectorNames
{
    /// <summary>Edits of a photograph: splicing, copy-move, removal. Looks at the whole picture.</summary>
    public const string Shallowfake = "shallowfake";

    /// <summary>Swapped or generated faces. Looks at each face.</summary>
    public const string Deepfake = "deepfake";

    /// <summary>Both names, in the order they are reported.</summary>
    public static IReadOnlyList<string> All { get; } = [Shallowfake, Deepfake];
}

/// <summary>Values of <c>detectors</c> in a submission.</summary>
public static class DetectorChoices
{
    /// <summary>The router decides which localizer looks first.</summary>
    public const string Auto = "auto";

    /// <summary>Both localizers, whatever the router thinks.</summary>
    public const string Both = "both";

    /// <summary>All accepted values.</summary>
    public static IReadOnlyList<string> All { get; } = [Auto, DetectorNames.Shallowfake, DetectorNames.Deepfake, Both];
}

/// <summary>What became of a detector in one analysis. A detector that did not run has a state, never a zero score.</summary>
public static class DetectorStates
{
    /// <summary>Asked, no answer yet (only seen while an analysis runs).</summary>
    public const string Pending = "pending";

    /// <summary>Ran and answered.</summary>
    public const string Completed = "completed";

    /// <summary>Not made for this picture: no face, or not asked for.</summary>
    public const string NotApplicable = "not_applicable";

    /// <summary>Could not run: missing or corrupt model, no heartbeat, a fault.</summary>
    public const string Error = "error";

    /// <summary>No answer by its deadline.</summary>
    public const string Timeout = "timeout";
}

/// <summary>Life of an analysis.</summary>
public static class AnalysisStatuses
{
    /// <summary>Accepted and waiting.</summary>
    public const string Queued = "queued";

    /// <summary>At least one service has worked on it.</summary>
    public const string Running = "running";

    /// <summary>A report exists, whole or partial.</summary>
    public const string Succeeded = "succeeded";

    /// <summary>Nothing could be said; <c>error</c> says why.</summary>
    public const string Failed = "failed";

    /// <summary>Deleted by the client before it finished.</summary>
    public const string Canceled = "canceled";

    /// <summary>True for <see cref="Succeeded"/>, <see cref="Failed"/> and <see cref="Canceled"/>.</summary>
    public static bool IsTerminal(string status) => status is Succeeded or Failed or Canceled;
}

/// <summary>The three verdicts of a finished analysis.</summary>
public static class Verdicts
{
    /// <summary>No detector that covers the picture saw a manipulation.</summary>
    public const string LikelyReal = "likely_real";

    /// <summary>Score above the operating threshold chosen at a stated false-alarm rate.</summary>
    public const string LikelyFake = "likely_fake";

    /// <summary>Between the thresholds, or not covered by the detectors that ran.</summary>
    public const string Uncertain = "uncertain";
}

/// <summary>Kinds of evidence besides each localizer's <c>activation-{detector}</c>.</summary>
public static class EvidenceNames
{
    /// <summary>Error level analysis.</summary>
    public const string ErrorLevel = "ela";

    /// <summary>Noise residual.</summary>
    public const string Noise = "noise";

    /// <summary>Local noise variance.</summary>
    public const string NoiseVariance = "noise-variance";

    /// <summary>JPEG ghosts.</summary>
    public const string Ghosts = "ghosts";

    /// <summary>Double-quantisation map from the file's own coefficients.</summary>
    public const string DoubleQuantisation = "double-quantisation";

    /// <summary>Class of the quantisation tables and estimated quality; no map.</summary>
    public const string Quantisation = "quantisation";

    /// <summary>Offset of the 8×8 blocking grid.</summary>
    public const string Grid = "grid";

    /// <summary>Areas with the same content.</summary>
    public const string CopyMove = "copy-move";

    /// <summary>Metadata findings; no map.</summary>
    public const string Metadata = "metadata";

    /// <summary>Content credentials; no map.</summary>
    public const string C2pa = "c2pa";

    /// <summary>Perceptual hash and near-duplicates; no map.</summary>
    public const string Hash = "hash";

    /// <summary>In the order they are shown.</summary>
    public static IReadOnlyList<string> All { get; } = [CopyMove, DoubleQuantisation, Ghosts, Grid, ErrorLevel, NoiseVariance, Noise, Quantisation, Metadata, C2pa, Hash];
}

/// <summary>What became of a piece of evidence.</summary>
public static class EvidenceStates
{
    /// <summary>Made when asked for.</summary>
    public const string Available = "available";

    /// <summary>Made.</summary>
    public const string Completed = "completed";

    /// <summary>The method says nothing about a picture of this kind; the summary says why.</summary>
    public const string NotApplicable = "not_applicable";

    /// <summary>Could not be made; the summary says why.</summary>
    public const string Error = "error";
}

/// <summary>What a piece of evidence amounts to. None of it is a verdict.</summary>
public static class EvidenceFindings
{
    /// <summary>As in ordinary pictures.</summary>
    public const string NothingUnusual = "nothing_unusual";

    /// <summary>Worth knowing, but common in honest pictures too.</summary>
    public const string Notable = "notable";

    /// <summary>Rare in unedited pictures: look at it.</summary>
    public const string Unusual = "unusual";
}
