namespace Palimpsest.Reporting.Webhooks;

/// <summary>When to try again: the schedule of Standard Webhooks 1.0, ten attempts over three days. Pure.</summary>
internal static class RetrySchedule
{
    /// <summary>Share by which a wait is made longer or shorter, so that receivers that went down together do not come back under one blow.</summary>
    public const double Jitter = 0.2;

    /// <summary>Longest wait a receiver may ask for with Retry-After.</summary>
    public static readonly TimeSpan LongestRetryAfter = TimeSpan.FromHours(24);

    private static readonly TimeSpan[] Waits =
    [
        TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(5),
        TimeSpan.FromHours(10), TimeSpan.FromHours(14), TimeSpan.FromHours(20), TimeSpan.FromHours(24),
    ];

    /// <summary>Attempts in all.</summary>
    public static int Attempts => Waits.Length + 1;

    /// <summary>Wait after the given failed attempt.</summary>
    /// <param name="attempt">1 for the first.</param>
    /// <param name="random">0..1, from which the jitter is made.</param>
    /// <param name="retryAfter">What the receiver asked for; it lengthens the wait, never shortens it.</param>
    /// <returns>Null: that was the last one.</returns>
    public static TimeSpan? After(int attempt, double random, TimeSpan? retryAfter)
    {
        if (attempt >= Attempts)
        {
            return null;
        }

        var wait = Waits[attempt - 1] * (1 + (Jitter * ((2 * random) - 1)));
        return retryAfter is { } asked && asked > wait ? (asked < LongestRetryAfter ? asked : LongestRetryAfter) : wait;
    }
}
