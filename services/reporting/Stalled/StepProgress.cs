using System.Collections.Concurrent;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// How far each queue has got, seen from its answers: when the newest answered step was sent, and when an answer last came. A step sent well before the
/// newest answered one was overtaken, so its message is lost; one sent after it merely waits. A step that was sent again may be answered by its first message,
/// which was not lost but waited: then the queue has got to the first sending only. In memory: after a restart it fills with the first answers.
/// </summary>
internal sealed class StepProgress(TimeProvider time)
{
    private readonly ConcurrentDictionary<string, Mark> marks = new(StringComparer.Ordinal);

    /// <summary>When this process began to watch.</summary>
    public DateTimeOffset Since { get; } = time.GetUtcNow();

    /// <summary>Key of a step.</summary>
    public static string Key(string step, string? detector = null) => detector is null ? step : $"{step}-{detector}";

    /// <summary>Steps an analysis waits for.</summary>
    public static IEnumerable<string> Waiting(AnalysisFindings findings)
    {
        string step = Analysis.Pending(findings);
        return step == Steps.Localize ? findings.Detectors.Where(d => d.State == DetectorStates.Pending).Select(d => Key(step, d.Name)) : [Key(step)];
    }

    /// <summary>Learns from a saved change.</summary>
    /// <param name="before">As it was.</param>
    /// <param name="after">As it was saved.</param>
    /// <param name="now">When.</param>
    /// <param name="asked">When the command that was answered went into the outbox; null: it came from another service.</param>
    public void Observe(AnalysisRecord before, AnalysisRecord after, DateTimeOffset now, DateTimeOffset? asked = null)
    {
        // An end that the sweep or a crash decided is not an answer.
        bool answered = after.Status is AnalysisStatuses.Running or AnalysisStatuses.Succeeded
            || after.Findings.Error is { Code: not (ErrorCodes.DeadlineExceeded or ErrorCodes.ProcessingCrashed) };
        if (!answered)
        {
            return;
        }

        string step = Analysis.Pending(before.Findings);
        var sent = Sent(before, asked);
        if (step != Steps.Localize)
        {
            if (Analysis.Pending(after.Findings) != step || AnalysisStatuses.IsTerminal(after.Status))
            {
                Advance(Key(step), sent, now);
                if (step == Steps.Preprocess && after.Findings.Routing is not null)
                {
                    Advance(Key(Steps.Route), sent, now); // one message told of both
                }
            }

            return;
        }

        foreach (var detector in before.Findings.Detectors.Where(d => d.State == DetectorStates.Pending))
        {
            if (after.Findings.Detectors.Any(d => d.Name == detector.Name && d.State is DetectorStates.Completed or DetectorStates.NotApplicable))
            {
                Advance(Key(step, detector.Name), sent, now);
            }
        }
    }

    /// <summary>True when a step sent at least <paramref name="margin"/> later has been answered already.</summary>
    public bool Overtook(string key, DateTimeOffset sent, TimeSpan margin) => marks.TryGetValue(key, out var mark) && mark.Sent >= sent + margin;

    /// <summary>True when no answer came for <paramref name="span"/>, and this process has watched at least that long.</summary>
    public bool IsQuiet(string key, DateTimeOffset now, TimeSpan span) =>
        now - Since >= span && (!marks.TryGetValue(key, out var mark) || now - mark.Answered >= span);

    // Everything that is sent again goes through the outbox. What another service sent is the first message of its step; when that was, the record of one sent again no longer says.
    private static DateTimeOffset Sent(AnalysisRecord before, DateTimeOffset? asked) =>
        asked is { } at ? (at < before.StageSince ? at : before.StageSince)
        : before.StageAttempts == 0 ? before.StageSince
        : DateTimeOffset.MinValue;

    private void Advance(string key, DateTimeOffset sent, DateTimeOffset now) => marks.AddOrUpdate(
        key, _ => new Mark(sent, now), (_, old) => new Mark(sent > old.Sent ? sent : old.Sent, now > old.Answered ? now : old.Answered));

    private sealed record Mark(DateTimeOffset Sent, DateTimeOffset Answered);
}
