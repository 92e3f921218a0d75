using System.Data.Common;

namespace Palimpsest.Hosting;

/// <summary>Notes that a finished analysis has to be told to its tenant.</summary>
public interface IWebhookScheduler
{
    /// <summary>
    /// Writes the deliveries that <paramref name="record"/> is due, to its callback_url and to the tenant's endpoints, within the transaction that makes it
    /// terminal: a result without its delivery cannot be committed. Does nothing when nobody wants to know. Safe to call twice.
    /// </summary>
    Task ScheduleAsync(DbTransaction transaction, AnalysisRecord record, CancellationToken cancellationToken);
}
