using System.Data.Common;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Gateway;

/// <summary><c>Prefer: wait=N</c> (RFC 7240): holds the answer until the analysis has ended or N seconds are over.</summary>
internal sealed class PreferWait(IAnalysisStore analyses, IAnalysisSignals signals, IOptions<IntakeOptions> options, TimeProvider time)
{
    /// <summary>Listens for the end of an analysis from before it is accepted, so that what ends at once is heard too; null when the request does not ask to wait, or not understandably.</summary>
    public Waiter? Listen(HttpRequest request, AnalysisRecord record) =>
        SecondsOf(request) is { } seconds ? new Waiter(analyses, signals.Subscribe(record.Id), record, seconds, time) : null;

    /// <summary>The request asks to wait, understandably.</summary>
    public bool IsAsked(HttpRequest request) => SecondsOf(request) is not null;

    /// <summary>Seconds asked for, cut to the limit; null when not asked, or not understood (a preference may be ignored).</summary>
    private int? SecondsOf(HttpRequest request)
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

    /// <summary>One that waits; dispose it.</summary>
    internal sealed class Waiter(IAnalysisStore analyses, AnalysisSubscription news, AnalysisRecord accepted, int seconds, TimeProvider time) : IDisposable
    {
        /// <summary>How long it waits at most.</summary>
        public int Seconds => seconds;

        /// <summary>The record once it has ended; null when time is up first.</summary>
        public async Task<AnalysisRecord?> EndedAsync(CancellationToken cancellationToken)
        {
            if (AnalysisStatuses.IsTerminal(accepted.Status))
            {
                return accepted;
            }

            long start = time.GetTimestamp();
            var limit = TimeSpan.FromSeconds(seconds);
            while (time.GetElapsedTime(start) is var waited && waited < limit)
            {
                var (left, patience) = (limit - waited, AnalysisSubscription.Patience(waited));
                await news.WaitAsync(left < patience ? left : patience, ended: true, cancellationToken);
                try
                {
                    if (await analyses.FindAsync(accepted.Tenant, accepted.Id, cancellationToken) is { } record && AnalysisStatuses.IsTerminal(record.Status))
                    {
                        return record;
                    }
                }
                catch (Exception e) when (e is DbException or TimeoutException)
                {
                    // It is accepted already: a database that goes away now must not turn that into a refusal.
                }
            }

            return null;
        }

        public void Dispose() => news.Dispose();
    }
}
