namespace Palimpsest.Gateway;

/// <summary>Forgets Idempotency-Keys that have run out, once an hour.</summary>
internal sealed partial class IdempotencySweep(IdempotencyStore store, ILogger<IdempotencySweep> log) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hourly = new PeriodicTimer(TimeSpan.FromHours(1), store.Time);
        do
        {
            try
            {
                await store.SweepAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogPostponed(e);
            }
        }
        while (await hourly.WaitForNextTickAsync(stoppingToken));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Old idempotency keys stay another hour")]
    private partial void LogPostponed(Exception reason);
}
