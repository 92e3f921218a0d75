using System.Diagnostics.Metrics;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary>
/// Answers that exist already: same tenant, same bytes, same models, calibration and options. The cache holds only the id of a finished analysis; the database says
/// what it found, and its blobs are linked to the new analysis, which then lives on its own.
/// </summary>
internal sealed class CachedResults(IPlatformCache cache, IDetectorRegistry detectors, IAnalysisStore analyses, IBlobStore blobs, Calibration calibration)
{
    private static readonly Counter<long> Requests = PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.cache.requests", description: "Result-cache look-ups by result");

    /// <summary>The key of a request; null when nothing may be remembered or answered: no localizer is ready, or nothing is to be kept.</summary>
    public async Task<string?> KeyAsync(string tenant, string sha256, SubmissionOptions options, CancellationToken cancellationToken)
    {
        if (options.ZeroRetention)
        {
            return null;
        }

        var ready = (await detectors.ListAsync(cancellationToken)).Where(d => d is { Ready: true, Model: not null }).ToList();
        if (ready.Count == 0)
        {
            return null;
        }

        string models = string.Join('+', ready.Select(d => $"{d.Name}@{d.Model!.Sha256[..Math.Min(16, d.Model.Sha256.Length)]}"));
        return ResultCacheKeys.For(tenant, sha256, models, calibration.Version, options.Analysis);
    }

    /// <summary>The finished analysis to copy; null when there is none that is whole.</summary>
    public async Task<AnalysisRecord?> FindAsync(string tenant, string? key, CancellationToken cancellationToken)
    {
        if (key is null)
        {
            return null;
        }

        AnalysisRecord? found = await cache.GetAsync(key, cancellationToken) is { } id ? await analyses.FindAsync(tenant, id, cancellationToken) : null;
        bool hit = found is { Status: AnalysisStatuses.Succeeded, ErasedAt: null, Findings: { Result: not null, IsWhole: true } };
        Requests.Add(1, new KeyValuePair<string, object?>("result", hit ? "hit" : "miss"));
        return hit ? found : null;
    }

    /// <summary>Links the blobs and gives the findings as they are for the new analysis; null when the source is being erased.</summary>
    public async Task<AnalysisFindings?> CopyAsync(AnalysisRecord source, string toId, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var blob in source.Findings.ReportBlobs())
            {
                await blobs.CopyAsync(blob.Key, Move(blob, toId)!.Key, cancellationToken);
            }
        }
        catch (BlobNotFoundException)
        {
            return null;
        }

        var findings = source.Findings;
        return findings with
        {
            Prepared = null,
            Facts = Move(findings.Facts, toId),
            Detectors = [.. findings.Detectors.Select(d => d with { Map = Move(d.Map, toId), Activation = Move(d.Activation, toId) })],
            Result = findings.Result! with { Map = Move(findings.Result.Map, toId) },
            CachedFrom = source.Id,
        };
    }

    private static BlobReference? Move(BlobReference? blob, string toId) => blob is null ? null : blob with { Key = toId + blob.Key[blob.Key.IndexOf('/', StringComparison.Ordinal)..] };
}
