using System.Diagnostics;
using Palimpsest.Hosting;

namespace Palimpsest.Inference;

/// <summary>
/// Gathers single items into batches, by Triton's rule: a batch leaves when it is full, when its <i>oldest</i> item has waited
/// <see cref="BatcherOptions.MaxDelay"/>, or when the next item has another shape.
/// </summary>
/// <remarks>
/// <code>
/// SubmitAsync ─(1) admission by cost─▶ queue ─(2) rule above─▶ batch ─(3) run, on one of a few own threads─▶ (4) answers
/// </code>
/// A failed batch is run again item by item, so that one bad picture fails alone. An item that is cancelled while it waits is dropped;
/// one that is already in a batch is answered when the batch is, because the run reads memory its caller would free.
/// Runs block (ONNX Runtime has no asynchronous call), so they have their own threads and never starve the thread pool.
/// </remarks>
/// <typeparam name="TItem">What is submitted.</typeparam>
/// <typeparam name="TResult">What comes back.</typeparam>
public sealed class DynamicBatcher<TItem, TResult> : IDisposable
{
    private readonly Func<IReadOnlyList<TItem>, IReadOnlyList<TResult>> run;
    private readonly Func<TItem, TItem, bool> sameShape;
    private readonly Func<TItem, long> cost;
    private readonly BatcherOptions options;
    private readonly TimeProvider time;
    private readonly AdmissionGate admission;
    private readonly Queue<BatchEntry<TItem, TResult>> queue = new();
    private readonly object gate = new();
    private readonly ITimer timer;
    private readonly Thread[] threads;
    private bool stopping;
    private int idle;

    /// <summary>Starts the batcher's threads.</summary>
    /// <param name="run">Answers a batch, one result an item, in order. Called by <see cref="BatcherOptions.ConcurrentRuns"/> threads.</param>
    /// <param name="sameShape">True when two items may share a batch.</param>
    /// <param name="cost">Weight of an item, e.g. pixels.</param>
    /// <param name="options">Knobs.</param>
    /// <param name="time">Clock of delays and metrics.</param>
    public DynamicBatcher(
        Func<IReadOnlyList<TItem>, IReadOnlyList<TResult>> run, Func<TItem, TItem, bool> sameShape, Func<TItem, long> cost, BatcherOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxBatch);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.ConcurrentRuns);
        (this.run, this.sameShape, this.cost, this.options, this.time) = (run, sameShape, cost, options, time);
        admission = new AdmissionGate(options.MaxCostInFlight);
        timer = time.CreateTimer(_ => WakeAll(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        threads = [.. Enumerable.Range(0, options.ConcurrentRuns).Select(i => new Thread(Work) { IsBackground = true, Name = $"batch {options.Name} {i}" })];
        foreach (var thread in threads)
        {
            thread.Start();
        }
    }

    /// <summary>Threads that wait for a batch.</summary>
    internal int Idle
    {
        get
        {
            lock (gate)
            {
                return idle;
            }
        }
    }

    /// <summary>Waits for admission, a batch and its run.</summary>
    /// <exception cref="OperationCanceledException">Cancelled before a batch took the item.</exception>
    /// <exception cref="ObjectDisposedException">The batcher was disposed.</exception>
    /// <remarks>What the run throws for this item alone is thrown here.</remarks>
    public async Task<TResult> SubmitAsync(TItem item, CancellationToken cancellationToken)
    {
        long weight = cost(item);
        long timestamp = time.GetTimestamp();
        var submitted = time.GetUtcNow();
        await admission.EnterAsync(weight, cancellationToken).ConfigureAwait(false);
        try
        {
            var entry = new BatchEntry<TItem, TResult>(item, weight, timestamp, submitted, Activity.Current?.Context ?? default);
            lock (gate)
            {
                ObjectDisposedException.ThrowIf(stopping, this);
                queue.Enqueue(entry);
                Monitor.Pulse(gate);
            }

            await using var registration = cancellationToken.UnsafeRegister(
                static (state, token) => ((BatchEntry<TItem, TResult>)state!).TryCancel(token), entry).ConfigureAwait(false);
            return await entry.Answer.ConfigureAwait(false);
        }
        finally
        {
            admission.Leave(weight);
        }
    }

    /// <summary>Stops after the running batches; items still waiting fail with <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (stopping)
            {
                return;
            }

            stopping = true;
            while (queue.TryDequeue(out var entry))
            {
                if (entry.TryTake())
                {
                    entry.Fail(new ObjectDisposedException(nameof(DynamicBatcher<,>)));
                }
            }

            Monitor.PulseAll(gate);
        }

        foreach (var thread in threads)
        {
            thread.Join();
        }

        timer.Dispose();
    }

    private void Work()
    {
        ThreadNiceness.StandBack(options.Niceness);
        var batch = new List<BatchEntry<TItem, TResult>>(options.MaxBatch);
        while (Collect(batch))
        {
            Answer(batch);
            batch.Clear();
        }
    }

    /// <summary>Blocks until a batch is due and takes it; false when stopping.</summary>
    private bool Collect(List<BatchEntry<TItem, TResult>> batch)
    {
        lock (gate)
        {
            idle++;
            while (!stopping)
            {
                while (queue.TryPeek(out var head) && head.IsCancelled)
                {
                    queue.Dequeue();
                }

                if (queue.Count == 0)
                {
                    Monitor.Wait(gate);
                    continue;
                }

                int count = Prefix(out bool complete);
                var left = options.MaxDelay - time.GetElapsedTime(queue.Peek().Timestamp);
                if (!complete && left > TimeSpan.Zero)
                {
                    // Timers drop fractions of a millisecond: in the last one they would ring at once, again and again.
                    timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
                    Monitor.Wait(gate);
                    continue;
                }

                for (count = options.Spread ? (count + idle - 1) / idle : count; count > 0; count--)
                {
                    var entry = queue.Dequeue();
                    if (entry.TryTake())
                    {
                        batch.Add(entry);
                    }
                }

                if (batch.Count > 0)
                {
                    if (queue.Count > 0)
                    {
                        Monitor.Pulse(gate); // another thread may have a batch too
                    }

                    idle--;
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>How many entries at the head (cancelled ones included) form the next batch, and whether nothing can join it any more.</summary>
    private int Prefix(out bool complete)
    {
        TItem? first = default;
        int live = 0, count = 0;
        long weight = 0;
        foreach (var entry in queue)
        {
            if (!entry.IsCancelled)
            {
                if (live == options.MaxBatch || (live > 0 && (weight + entry.Cost > options.MaxBatchCost || !sameShape(first!, entry.Item))))
                {
                    complete = true;
                    return count;
                }

                first = live == 0 ? entry.Item : first;
                weight += entry.Cost;
                live++;
            }

            count++;
        }

        complete = live >= options.MaxBatch || weight >= options.MaxBatchCost;
        return count;
    }

    private void Answer(List<BatchEntry<TItem, TResult>> batch)
    {
        BatchTelemetry.Left(options.Name, batch, time);
        try
        {
            var results = Run(batch);
            for (int i = 0; i < batch.Count; i++)
            {
                batch[i].Succeed(results[i]);
            }
        }
        catch (Exception e) when (batch.Count == 1)
        {
            InferenceMetrics.Failures.Add(1, InferenceMetrics.Model(options.Name));
            batch[0].Fail(e);
        }
        catch (Exception)
        {
            foreach (var entry in batch)
            {
                AnswerAlone(entry);
            }
        }
    }

    private void AnswerAlone(BatchEntry<TItem, TResult> entry)
    {
        try
        {
            entry.Succeed(Run([entry])[0]);
        }
        catch (Exception e)
        {
            InferenceMetrics.Failures.Add(1, InferenceMetrics.Model(options.Name));
            entry.Fail(e);
        }
    }

    private IReadOnlyList<TResult> Run(List<BatchEntry<TItem, TResult>> batch)
    {
        using var span = BatchTelemetry.StartRun(options.Name, batch);
        long start = time.GetTimestamp();
        try
        {
            var results = run(batch.ConvertAll(entry => entry.Item));
            return results.Count == batch.Count ? results : throw new InferenceException($"A batch of {batch.Count} gave {results.Count} answers.");
        }
        catch (Exception e)
        {
            span?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
        finally
        {
            InferenceMetrics.RunTime.Record(time.GetElapsedTime(start).TotalSeconds, InferenceMetrics.Model(options.Name));
        }
    }

    private void WakeAll()
    {
        lock (gate)
        {
            Monitor.PulseAll(gate);
        }
    }
}
