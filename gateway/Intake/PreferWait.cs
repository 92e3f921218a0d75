using System.Data.Common;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary><c>Prefer: wait=N</c> (RFC 7240): holds the answer until the analysis has ended or N seconds are over.</summary>
internal sealed class PreferWait(IAnalysisStore analyses, IAnalysisSignals signals, IOptions<IntakeOptions> options, TimeProvider time)
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>Seconds asked for, cut to the limit; null when not asked, or not understood (a preference may be ignored).</summary>
    public int? SecondsOf(HttpRequest request)
    {
        foreach (string? line in request.Headers["Prefer"])
        {
            foreach (string preference in (line ?? "").Split(',', ';'))
            {
                if (preference.Split('=', 2, StringSplitOptions.TrimEntries) is [var name, var value] && name.Equals("wait", StringComparison.OrdinalIgnoreCase)
                    && int.TryParse(value.Trim('"'), out int seconds) && seconds >= 0)
                {
                    return Math.Min(seconds, options.Value.MaxWaitSeconds);
                }
            }
        }

        return null;
    }

    /// <summary>The record once it has ended; null when time is up first.</summary>
    public async Task<AnalysisRecord?> WaitAsync(string tenant, string id, int seconds, CancellationToken cancellationToken)
    {
        long start = time.GetTimestamp();
        var limit = TimeSpan.FromSeconds(seconds);
        // Before the first look, or news between the two would be missed.
        using var subscription = signals.Subscribe(id);
        while (true)
        {
            try
            {
                if (await analyses.FindAsync(tenant, id, cancellationToken) is { } record && AnalysisStatuses.IsTerminal(record.Status))
                {
                    return record;
                }
            }
            catch (Exception e) when (e is DbException or TimeoutException)
            {
                // It is accepted already: a database that goes away now must not turn that into a refusal.
            }

            var left = limit - time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            await subscription.WaitAsync(left < Look ? left : Look, ended: true, cancellationToken);
        }
    }
}
