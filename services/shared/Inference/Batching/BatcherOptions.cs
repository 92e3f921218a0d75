namespace Palimpsest.Inference;

/// <summary>The knobs of a <see cref="DynamicBatcher{TItem,TResult}"/>.</summary>
public sealed record BatcherOptions
{
    /// <summary>Name on metrics and spans.</summary>
    public required string Name { get; init; }

    /// <summary>Most items in a batch.</summary>
    public int MaxBatch { get; init; } = 8;

    /// <summary>Most cost in a batch; a single item may exceed it.</summary>
    public long MaxBatchCost { get; init; } = long.MaxValue;

    /// <summary>How long the oldest item waits for company; zero: take what is there.</summary>
    public TimeSpan MaxDelay { get; init; }

    /// <summary>Cost admitted and not yet answered; more submissions wait their turn.</summary>
    public long MaxCostInFlight { get; init; } = long.MaxValue;

    /// <summary>
    /// Idle runs share what waits instead of one taking all: for processors, where a batch costs as much as its items one by one. A GPU wants full batches.
    /// </summary>
    public bool Spread { get; init; }

    /// <summary>Added to the nice value of the threads that run the batches, 0..19.</summary>
    public int Niceness { get; init; }

    /// <summary>Batches that run at the same time.</summary>
    public int ConcurrentRuns { get; init; } = 1;
}
