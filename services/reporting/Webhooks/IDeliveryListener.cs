namespace Palimpsest.Reporting.Webhooks;

/// <summary>Told after each delivery of an analysis: what was kept only until then (<c>retention: zero</c>) can go.</summary>
internal interface IDeliveryListener
{
    /// <summary>A receiver answered 2xx. May be told twice; <paramref name="pending"/> counts the analysis' deliveries that are still on the schedule.</summary>
    Task DeliveredAsync(string tenant, string analysisId, int pending, CancellationToken cancellationToken);
}
