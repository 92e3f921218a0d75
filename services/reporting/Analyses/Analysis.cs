using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// The life of an analysis after acceptance, as a pure function: a record and an event give the next record and the commands that leave with it.
/// Events come in any order and twice; whatever the order, the same events end in the same report. Terminal analyses ignore all but erasure.
/// </summary>
internal sealed class Analysis(Calibration calibration, ReportingOptions options)
{
    /// <summary>Applies an event.</summary>
    /// <returns>Null when it changes nothing.</returns>
    public AnalysisChange? Apply(AnalysisRecord record, object @event, DateTimeOffset now)
    {
        if (@event is AnalysisDeleted or AnalysisExpired)
        {
            return Erase(record, @event is AnalysisDeleted, now);
        }

        if (AnalysisStatuses.IsTerminal(record.Status))
        {
            return null;
        }

        return @event switch
        {
            ImagePreprocessed e => Join.With(record.Findings, e) is { } findings ? Advance(record, findings, now) : null,
            AnalysisRouted e => Join.With(record.Findings, e) is { } findings ? Advance(record, findings, now) : null,
            ManipulationLocalized e => Join.With(record.Findings, e, calibration) is { } findings ? Advance(record, findings, now) : null,
            ImageRejected e => Done(Fail(record, e.Code, e.Detail, now)),
            StepFailed e => Failed(record, e, now),
            StepOverdue { Version: { } seen } when seen != record.Version => null,
            StepAbandoned { Version: { } seen } when seen != record.Version => null,
            StepOverdue e => Resend(record, e.Counted, now),
            StepAbandoned e => Abandon(record, e, now),
            MapLost e => Advance(record, Join.With(record.Findings, e), now),
            _ => throw new ArgumentException($"An analysis does not know the event {@event.GetType().Name}.", nameof(@event)),
        };
    }

    /// <summary>Ends with a report.</summary>
    public static AnalysisRecord Succeed(AnalysisRecord record, AnalysisFindings findings, DateTimeOffset now) =>
        End(record with { Findings = findings with { Prepared = null } }, AnalysisStatuses.Succeeded, now);

    /// <summary>Ends without one.</summary>
    public static AnalysisRecord Fail(AnalysisRecord record, string code, string detail, DateTimeOffset now) =>
        End(record with { Findings = record.Findings with { Error = new ErrorDocument { Code = code, Detail = detail }, Prepared = null } }, AnalysisStatuses.Failed, now);

    /// <summary>Which step is pending, by what is known.</summary>
    public static string Pending(AnalysisFindings findings) =>
        findings.Routing is not null ? Steps.Localize : findings.Width is not null ? Steps.Route : Steps.Preprocess;

    /// <summary>The commands of the pending step.</summary>
    public static IReadOnlyList<Outgoing> Commands(AnalysisRecord record)
    {
        var (request, findings) = (record.Request, record.Findings);
        return Pending(findings) switch
        {
            Steps.Preprocess => [new(Queues.Preprocess, new PreprocessImage { AnalysisId = record.Id, Upload = request.Upload, Options = request.Options })],
            Steps.Route => [new(Queues.Route, new ImagePreprocessed
            {
                AnalysisId = record.Id, Prepared = findings.Prepared!, Format = findings.Format!, Width = findings.Width!.Value, Height = findings.Height!.Value,
                FaceCount = findings.FaceCount, Options = request.Options, Warnings = findings.Warnings,
            })],
            _ => [.. findings.Detectors.Where(d => d.State == DetectorStates.Pending).Select(d => Localize(record, d.Name))],
        };
    }

    private static Outgoing Localize(AnalysisRecord record, string detector) => new(
        Queues.Localize(detector),
        new LocalizeManipulation { AnalysisId = record.Id, Detector = detector, Prepared = record.Findings.Prepared!, Options = record.Request.Options });

    /// <summary>After new findings: send deferred localizers, or ask for the report, or wait.</summary>
    private AnalysisChange Advance(AnalysisRecord before, AnalysisFindings findings, DateTimeOffset now)
    {
        IReadOnlyList<string> send = [];
        if (findings.Routing is not null && findings.Detectors.All(d => d.State != DetectorStates.Pending))
        {
            (findings, send) = DecideDeferred(findings);
        }

        string step = Pending(findings);
        var record = before with
        {
            Findings = findings,
            Status = AnalysisStatuses.Running,
            StartedAt = before.StartedAt ?? now,
            Stage = step switch { Steps.Preprocess => Stages.Preprocessing, Steps.Route => Stages.Routing, _ => Stages.Localizing },
        };
        if (send.Count > 0 || step != Pending(before.Findings))
        {
            record = record with { StageSince = now, StageAttempts = 0, StageDue = now + options.Step };
        }

        if (step != Steps.Localize || findings.Detectors.Any(d => d.State == DetectorStates.Pending))
        {
            return new AnalysisChange(record, [.. send.Select(name => Localize(record, name))], NeedsReport: false);
        }

        return findings.Detectors.Any(d => d.State == DetectorStates.Completed)
            ? new AnalysisChange(record with { Stage = Stages.Reporting }, [], NeedsReport: true)
            : Done(NothingRan(record, now));
    }

    /// <summary>Those that ran first are in: the deferred ones look as well unless a manipulation is found already.</summary>
    private (AnalysisFindings Findings, IReadOnlyList<string> Send) DecideDeferred(AnalysisFindings findings)
    {
        if (findings.Detectors.All(d => d.State is not null))
        {
            return (findings, []);
        }

        bool look = Fusion.NeedsSecondLook(findings.Detectors.Select(d => new DetectorEvidence { Name = d.Name, State = d.State ?? DetectorStates.Pending, RawScore = d.RawScore }), calibration);
        string found = string.Join(" and ", findings.Detectors.Where(d => d.State == DetectorStates.Completed).Select(d => d.Name));
        var decided = findings.Detectors.Select(d => d switch
        {
            { State: not null } => d,
            _ when look => d with { State = DetectorStates.Pending, Reason = null },
            _ => d with { State = DetectorStates.NotApplicable, Reason = Coverage.NotNeeded(found) },
        });
        string[] send = look ? [.. findings.Detectors.Where(d => d.State is null).Select(d => d.Name)] : [];
        return (findings with { Detectors = [.. decided] }, send);
    }

    private AnalysisChange? Failed(AnalysisRecord record, StepFailed e, DateTimeOffset now)
    {
        var detector = e.Detector is null ? null : record.Findings.Detectors.FirstOrDefault(d => d.Name == e.Detector);
        bool open = e.Step switch
        {
            Steps.Localize => detector?.State is null or DetectorStates.Pending,
            Steps.Route => record.Findings.Routing is null,
            _ => Pending(record.Findings) == Steps.Preprocess,
        };
        if (!open)
        {
            return null;
        }

        bool patient = e.VolumeFull && now - record.CreatedAt < TimeSpan.FromHours(options.FinalDeadlineHours);
        if (patient || (e.Passing && record.StageAttempts < options.MaxResends))
        {
            var again = Commands(record).Where(o => e.Detector is null || o.Queue == Queues.Localize(e.Detector)).ToList();
            var at = now + ((patient ? options.VolumeFullRetry : options.FaultRetry * Math.Pow(2, record.StageAttempts)) * (1 + e.Spread));
            return again.Count == 0 ? null : new AnalysisChange(
                Waiting(record, at, record.StageAttempts + (patient ? 0 : 1)), [.. again.Select(o => o with { NotBefore = at })], NeedsReport: false);
        }

        return e.Detector is null
            ? Done(Fail(record, ErrorCodes.ProcessingCrashed, e.Detail, now))
            : Advance(record, Join.With(record.Findings, (detector ?? new() { Name = e.Detector }) with { State = DetectorStates.Error, Reason = e.Detail }), now);
    }

    private AnalysisChange? Resend(AnalysisRecord record, bool counted, DateTimeOffset now)
    {
        var commands = Commands(record);
        return commands.Count == 0 ? null : new AnalysisChange(Waiting(record, now, record.StageAttempts + (counted ? 1 : 0)), commands, NeedsReport: false);
    }

    private AnalysisRecord Waiting(AnalysisRecord record, DateTimeOffset since, int attempts) =>
        record with { StageSince = since, StageAttempts = attempts, StageDue = since + (options.Step * Math.Pow(2, attempts)) };

    private AnalysisChange? Abandon(AnalysisRecord record, StepAbandoned e, DateTimeOffset now)
    {
        if (Pending(record.Findings) != Steps.Localize)
        {
            return e.Detector is null ? Done(Fail(record, ErrorCodes.DeadlineExceeded, e.Reason, now)) : null;
        }

        string state = e.Detector is null ? DetectorStates.Timeout : DetectorStates.Error;
        var findings = record.Findings with
        {
            Detectors = [.. record.Findings.Detectors.Select(d =>
                d.State == DetectorStates.Pending && (e.Detector is null || d.Name == e.Detector) ? d with { State = state, Reason = e.Reason } : d)],
        };
        bool changed = findings.Detectors.Zip(record.Findings.Detectors).Any(p => !ReferenceEquals(p.First, p.Second));
        return changed ? Advance(record, findings, now) : null;
    }

    private static AnalysisChange? Erase(AnalysisRecord record, bool byClient, DateTimeOffset now)
    {
        bool terminal = AnalysisStatuses.IsTerminal(record.Status);
        if (byClient)
        {
            var ended = terminal ? record : End(record, AnalysisStatuses.Canceled, now);
            return record.Findings.Deleted ? null : Done(ended with
            {
                ErasedAt = record.ErasedAt ?? now,
                Findings = new AnalysisFindings { Deleted = true },
                Request = record.Request with { Filename = null, Metadata = null, SourceUrl = null, CallbackUrl = null },
            });
        }

        // Image, maps and what the client said of them go, the numbers stay; with zero retention, which is over at once, the client still knows its picture by its metadata.
        var (findings, request) = (record.Findings, record.Request);
        return !terminal || record.ErasedAt is not null ? null : Done(record with
        {
            ErasedAt = now,
            Request = request with { Filename = null, SourceUrl = null, CallbackUrl = null, Metadata = request.ZeroRetention ? request.Metadata : null },
            Findings = findings with
            {
                Prepared = null,
                Facts = null,
                Detectors = [.. findings.Detectors.Select(d => d with { Map = null, Activation = null })],
                Result = findings.Result is null ? null : findings.Result with { Map = null },
            },
        });
    }

    private static AnalysisRecord NothingRan(AnalysisRecord record, DateTimeOffset now)
    {
        string code = record.Findings.Detectors.Any(d => d.State == DetectorStates.Timeout) ? ErrorCodes.DeadlineExceeded : ErrorCodes.NoDetectorRan;
        string why = string.Join("; ", record.Findings.Detectors.Select(d => $"{d.Name}: {d.Reason?.TrimEnd('.') ?? d.State}"));
        return Fail(record, code, why.Length > 0 ? $"No localizer could run. {why}." : "No localizer is known to the router.", now);
    }

    private static AnalysisChange Done(AnalysisRecord record) => new(record, [], NeedsReport: false);

    private static AnalysisRecord End(AnalysisRecord record, string status, DateTimeOffset now) => record with
    {
        Status = status,
        Stage = Stages.Reporting,
        StageDue = null,
        StartedAt = record.StartedAt ?? now,
        CompletedAt = now,
        // Zero retention: the sweep erases as soon as the result is delivered.
        ExpiresAt = record.Request.ZeroRetention ? now : record.ExpiresAt,
    };
}
