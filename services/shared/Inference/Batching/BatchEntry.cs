using System.Diagnostics;

namespace Palimpsest.Inference;

/// <summary>An item on its way through the batcher. It is either taken into a batch or cancelled, never both.</summary>
internal sealed class BatchEntry<TItem, TResult>(TItem item, long cost, long timestamp, DateTimeOffset submitted, ActivityContext context)
{
    private const int Waiting = 0, Taken = 1, Cancelled = 2;

    private readonly TaskCompletionSource<TResult> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int state = Waiting;

    public TItem Item { get; } = item;

    public long Cost { get; } = cost;

    /// <summary>Monotonic time of submission.</summary>
    public long Timestamp { get; } = timestamp;

    /// <summary>Wall-clock time of submission, for the span.</summary>
    public DateTimeOffset Submitted { get; } = submitted;

    /// <summary>The caller's span.</summary>
    public ActivityContext Context { get; } = context;

    public Task<TResult> Answer => answer.Task;

    public bool IsCancelled => Volatile.Read(ref state) == Cancelled;

    /// <summary>From here on the caller waits for the run, cancelled or not: the run reads memory that the caller owns.</summary>
    public bool TryTake() => Interlocked.CompareExchange(ref state, Taken, Waiting) == Waiting;

    public bool TryCancel(CancellationToken cancellationToken)
    {
        if (Interlocked.CompareExchange(ref state, Cancelled, Waiting) != Waiting)
        {
            return false;
        }

        answer.SetCanceled(cancellationToken);
        return true;
    }

    public void Succeed(TResult result) => answer.SetResult(result);

    public void Fail(Exception exception) => answer.SetException(exception);
}
