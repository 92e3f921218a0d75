namespace Palimpsest.Tests;

/// <summary>Waits for what happens elsewhere, without keeping a core busy with looking.</summary>
internal static class Poll
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static Task UntilAsync(Func<bool> holds, int seconds = 20) => UntilAsync(() => Task.FromResult(holds()), seconds);

    /// <exception cref="OperationCanceledException">It did not come to hold in time.</exception>
    public static async Task UntilAsync(Func<Task<bool>> holds, int seconds = 20)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        while (!await holds())
        {
            await Task.Delay(Pause, limit.Token);
        }
    }

    public static async Task<T> ForAsync<T>(Func<Task<T?>> look, int seconds = 20)
        where T : class
    {
        T? found = null;
        await UntilAsync(async () => (found = await look()) is not null, seconds);
        return found!;
    }
}
