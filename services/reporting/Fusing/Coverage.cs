using Palimpsest.Contracts;

namespace Palimpsest.Reporting;

/// <summary>
/// Whether every kind of manipulation that this picture could carry was looked for. What nobody looked for is never called real by silence.
/// </summary>
internal sealed class Coverage
{
    private const string Spared = "not needed";

    private readonly List<string> gaps = [];
    private readonly List<string> notes = [];
    private bool faceExamined;

    private Coverage()
    {
    }

    /// <summary>Reason of a localizer that was spared because <paramref name="found"/> had found a manipulation before its turn.</summary>
    public static string NotNeeded(string found) => $"{Spared}: {found} already found a manipulation";

    /// <summary>True when the shallowfake localizer completed, and the deepfake one completed or there is no face.</summary>
    public bool IsComplete => gaps.Count == 0;

    /// <summary>Judges the localizers' states.</summary>
    public static Coverage Of(IReadOnlyList<DetectorEvidence> detectors, int faces)
    {
        ArgumentNullException.ThrowIfNull(detectors);
        var coverage = new Coverage();
        if (Missing(detectors, DetectorNames.Shallowfake) is { } shallow)
        {
            coverage.gaps.Add($"Edits such as splicing, copying or removal were not looked for ({shallow}).");
        }

        string? deep = Missing(detectors, DetectorNames.Deepfake);
        coverage.faceExamined = faces > 0 && deep is null;
        if (faces > 0 && deep is not null)
        {
            string who = faces == 1 ? "The face was" : $"The {faces} faces were";
            coverage.gaps.Add($"{who} not checked for swaps or generation ({deep}).");
        }
        else if (faces == 0 && detectors.FirstOrDefault(d => d.Name == DetectorNames.Deepfake) is { State: DetectorStates.Error or DetectorStates.Timeout })
        {
            coverage.notes.Add($"This report is partial: {deep}; no face was found that it would have checked.");
        }

        return coverage;
    }

    /// <summary>The gaps, and what they mean for the verdict.</summary>
    /// <param name="verdict">The verdict reached.</param>
    /// <param name="lowScore">The score alone would have read as real.</param>
    public IEnumerable<string> Warnings(string verdict, bool lowScore)
    {
        foreach (string note in notes)
        {
            yield return note;
        }

        // Where a manipulation is found already, a localizer that was spared is no news.
        bool spared = verdict == Verdicts.LikelyFake;
        foreach (string gap in gaps.Where(g => !spared || !g.Contains(Spared, StringComparison.Ordinal)))
        {
            yield return gap;
        }

        if (verdict == Verdicts.LikelyReal && !faceExamined)
        {
            yield return "Wholly generated pictures without a face were not looked for: no localizer that ran is made for them.";
        }

        if (gaps.Count > 0 && verdict == Verdicts.Uncertain && lowScore)
        {
            yield return "What ran found nothing, but the picture is not called real because not everything could be checked.";
        }
    }

    private static string? Missing(IReadOnlyList<DetectorEvidence> detectors, string name)
    {
        var detector = detectors.FirstOrDefault(d => d.Name == name);
        return detector switch
        {
            null => $"no {name} detector was asked",
            { State: DetectorStates.Completed } => null,
            { State: DetectorStates.Timeout } => $"the {name} detector did not answer in time",
            { State: DetectorStates.Error } => $"the {name} detector failed: {Trim(detector.Reason) ?? "no reason given"}",
            _ => Trim(detector.Reason) ?? $"the {name} detector did not run",
        };
    }

    private static string? Trim(string? sentence) => sentence?.TrimEnd('.');
}
