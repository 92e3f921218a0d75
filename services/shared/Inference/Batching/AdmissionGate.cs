namespace Palimpsest.Inference;

/// <summary>Admits work by weight, first come first served. Something heavier than the whole capacity is admitted alone.</summary>
internal sealed class AdmissionGate(long capacity)
{
    private readonly Lock gate = new();
    private readonly LinkedList<Waiter> waiting = new();
    private long inside;

    /// <summary>Weight admitted and not yet left.</summary>
    public long Inside
    {
        get
        {
            lock (gate)
            {
                return inside;
            }
        }
    }

    public ValueTask EnterAsync(long cost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        cost = Math.Min(cost, capacity);
        Waiter waiter;
        lock (gate)
        {
            if (waiting.Count == 0 && inside + cost <= capacity)
            {
                inside += cost;
                return ValueTask.CompletedTask;
            }

            waiter = new Waiter(cost);
            waiting.AddLast(waiter);
        }

        return new ValueTask(WaitAsync(waiter, cancellationToken));
    }

    public void Leave(long cost)
    {
        lock (gate)
        {
            inside -= Math.Min(cost, capacity);
            Admit();
        }
    }

    private async Task WaitAsync(Waiter waiter, CancellationToken cancellationToken)
    {
        await using var registration = cancellationToken.UnsafeRegister(_ => GiveUp(waiter, cancellationToken), null).ConfigureAwait(false);
        await waiter.Admitted.Task.ConfigureAwait(false);
    }

    private void GiveUp(Waiter waiter, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            if (waiting.Remove(waiter))
            {
                waiter.Admitted.SetCanceled(cancellationToken);
                Admit();
            }
        }
    }

    private void Admit()
    {
        while (waiting.First is { } first && inside + first.Value.Cost <= capacity)
        {
            waiting.RemoveFirst();
            inside += first.Value.Cost;
            first.Value.Admitted.SetResult();
        }
    }

    private sealed class Waiter(long cost)
    {
        public long Cost { get; } = cost;

        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
