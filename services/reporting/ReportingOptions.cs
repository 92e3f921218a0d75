using System.ComponentModel.DataAnnotations;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>Section <c>Reporting</c>.</summary>
internal sealed class ReportingOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Reporting";

    /// <summary>Time between two looks at stalled work, seconds.</summary>
    [Range(0.05, 3600)]
    public double SweepSeconds { get; set; } = 30;

    /// <summary>A step without an answer for this long is looked at, seconds. Doubles with each re-send.</summary>
    [Range(0.05, 3600)]
    public double StepSeconds { get; set; } = 60;

    /// <summary>A step counts as overtaken when one sent this much later has completed, seconds: queues keep their order only roughly.</summary>
    [Range(0, 3600)]
    public double OvertakenSeconds { get; set; } = 30;

    /// <summary>Re-sends of a step before it is given up, if others are answered meanwhile; while none is, it is sent again until the final deadline.</summary>
    [Range(0, 20)]
    public int MaxResends { get; set; } = 4;

    /// <summary>Wait before a step that failed for a passing reason (a server restarting) is sent again, seconds. Doubles each time.</summary>
    [Range(0.05, 600)]
    public double FaultRetrySeconds { get; set; } = 5;

    /// <summary>Wait before a step that found the blob volume full is sent again, seconds; again and again until the final deadline.</summary>
    [Range(0.05, 3600)]
    public double VolumeFullRetrySeconds { get; set; } = 60;

    /// <summary>A pending localizer whose last heartbeat is older than this is given up, seconds.</summary>
    [Range(1, 86_400)]
    public double DetectorGoneSeconds { get; set; } = 120;

    /// <summary>A step that was sent this long ago is given up whatever else, hours; so is one that nobody answers when its picture was accepted this long ago.</summary>
    [Range(0.001, 720)]
    public double FinalDeadlineHours { get; set; } = 24;

    /// <summary>Analyses the sweep re-sends at most each time.</summary>
    [Range(1, 10_000)]
    public int SweepBatch { get; set; } = 500;

    /// <summary>Analyses it re-sends when nothing completes at all, to find out whether messages were lost or only wait.</summary>
    [Range(1, 10_000)]
    public int SweepProbe { get; set; } = 20;

    /// <summary>How long a finished result answers later submissions of the same picture, hours.</summary>
    [Range(0, 720)]
    public double ResultCacheHours { get; set; } = 72;

    /// <summary>Zero retention without a webhook: how long a result that nobody asks for is kept, minutes.</summary>
    [Range(0, 10_080)]
    public double ZeroRetentionGraceMinutes { get; set; } = 60;

    /// <summary>Zero retention: how long after the result was delivered, by a webhook or to a client that asked, the mask it links to may be fetched, seconds.</summary>
    [Range(0, 86_400)]
    public double ZeroRetentionFetchSeconds { get; set; } = ZeroRetention.FetchSeconds;

    /// <summary>Time between two retention sweeps, seconds.</summary>
    [Range(0.05, 86_400)]
    public double RetentionSweepSeconds { get; set; } = 15;

    /// <summary>How long the record of an erased analysis is kept (verdict, score, SHA-256, times), days.</summary>
    [Range(0.001, 36_500)]
    public double RecordDays { get; set; } = 365;

    /// <summary>Blobs that belong to no analysis are removed when older than this, hours: an upload that was never accepted.</summary>
    [Range(0.01, 720)]
    public double OrphanHours { get; set; } = 6;

    /// <summary>Memory for rendered pictures, MiB.</summary>
    [Range(1, 4096)]
    public int RenderedCacheMegabytes { get; set; } = 64;

    /// <summary>How long a picture that a decoder process must draw waits for its tenant's share of them, and then for its turn, before it is answered 503, seconds.</summary>
    [Range(0, 300)]
    public double RenderWaitSeconds { get; set; } = 10;

    /// <summary>Pictures that are being sent, which stay in memory until their readers have them, MiB; a quarter of it for one tenant. One more is answered 503.</summary>
    [Range(1, 65_536)]
    public int SendingMegabytes { get; set; } = 512;

    public TimeSpan Step => TimeSpan.FromSeconds(StepSeconds);

    public TimeSpan VolumeFullRetry => TimeSpan.FromSeconds(VolumeFullRetrySeconds);

    public TimeSpan FaultRetry => TimeSpan.FromSeconds(FaultRetrySeconds);
}
