namespace Palimpsest.Hosting;

/// <summary>Wakes one worker that also looks by itself now and then. Rung while nobody waits, the next wait ends at once; rung twice, it wakes once.</summary>
internal sealed class Bell : IDisposable
{
    private readonly SemaphoreSlim rung = new(0, 1);

    public void Ring()
    {
        try
        {
            rung.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is ringing already.
        }
    }

    /// <summary>Waits for <see cref="Ring"/>, at most so long.</summary>
    public Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken) => rung.WaitAsync(atMost, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => rung.Dispose();
}
