using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class DynamicBatcherTests
{
    private readonly FakeTimeProvider time = new();
    private readonly ConcurrentQueue<int[]> batches = new();

    [Fact]
    public async Task A_full_batch_leaves_without_waiting()
    {
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 4, MaxDelay = TimeSpan.FromHours(1) });

        int[] answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => batcher.SubmitAsync(i, default)));

        answers.ShouldBe(Enumerable.Range(0, 8).Select(i => i * 10));
        batches.Select(b => b.Length).ShouldBe([4, 4]);
    }

    [Fact]
    public async Task A_batch_leaves_when_its_oldest_item_has_waited_not_its_newest()
    {
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 4, MaxDelay = TimeSpan.FromMilliseconds(10) });

        var first = batcher.SubmitAsync(1, default);
        time.Advance(TimeSpan.FromMilliseconds(6));
        var second = batcher.SubmitAsync(2, default);
        await Settle();
        first.IsCompleted.ShouldBeFalse();
        time.Advance(TimeSpan.FromMilliseconds(4)); // 10 for the first, 4 for the second

        (await Task.WhenAll(first, second)).ShouldBe([10, 20]);
        batches.ShouldHaveSingleItem().ShouldBe([1, 2]);
    }

    [Fact]
    public async Task The_timer_is_never_set_to_a_fraction_of_a_millisecond_which_it_would_drop()
    {
        var rings = new Rings(time);
        using var batcher = new DynamicBatcher<int, int>(items => [.. items], (_, _) => true, _ => 1, new() { Name = "t", MaxBatch = 4, MaxDelay = TimeSpan.FromMilliseconds(10) }, rings);

        var first = batcher.SubmitAsync(1, default);
        await Settle();
        time.Advance(TimeSpan.FromMilliseconds(9.6));
        var second = batcher.SubmitAsync(2, default);
        await Settle();
        rings.Set.ShouldBe([TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(1)]);
        time.Advance(TimeSpan.FromMilliseconds(1));

        (await Task.WhenAll(first, second)).ShouldBe([1, 2]);
    }

    [Fact]
    public async Task Another_shape_ends_the_batch()
    {
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 8, MaxDelay = TimeSpan.FromHours(1) }, sameShape: (a, b) => a % 2 == b % 2);

        var even = Enumerable.Range(0, 3).Select(i => batcher.SubmitAsync(2 * i, default)).ToArray();
        await Settle();
        even.ShouldAllBe(task => !task.IsCompleted);
        var odd = batcher.SubmitAsync(1, default);

        (await Task.WhenAll(even)).ShouldBe([0, 20, 40]);
        await Settle();
        odd.IsCompleted.ShouldBeFalse(); // it waits for its own company
        time.Advance(TimeSpan.FromHours(1));
        (await odd).ShouldBe(10);
    }

    [Fact]
    public async Task The_cost_of_a_batch_is_bounded_but_a_single_item_always_fits()
    {
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 8, MaxBatchCost = 10, MaxDelay = TimeSpan.FromMilliseconds(5) }, cost: i => i);

        var tasks = new[] { 6, 3, 4, 50 }.Select(i => batcher.SubmitAsync(i, default)).ToArray();
        await Settle();
        time.Advance(TimeSpan.FromMilliseconds(5));

        await Task.WhenAll(tasks);
        batches.ShouldBe([[6, 3], [4], [50]]);
    }

    [Fact]
    public async Task Idle_runs_share_what_waits_when_told_to()
    {
        using var both = new Barrier(2);
        using var batcher = Batcher(
            new() { Name = "t", MaxBatch = 8, MaxDelay = TimeSpan.FromMilliseconds(10), ConcurrentRuns = 2, Spread = true },
            run: items =>
            {
                both.SignalAndWait(TimeSpan.FromSeconds(10)).ShouldBeTrue(); // passes only when both threads run at once
                return [.. items];
            });
        var tasks = Enumerable.Range(0, 4).Select(i => batcher.SubmitAsync(i, default)).ToArray();
        await Poll.UntilAsync(() => batcher.Idle == 2); // both threads wait for company
        time.Advance(TimeSpan.FromMilliseconds(10));

        (await Task.WhenAll(tasks)).ShouldBe([0, 1, 2, 3]);
        batches.Select(b => b.Length).ShouldBe([2, 2]);
    }

    [Fact]
    public async Task One_bad_item_fails_alone()
    {
        using var batcher = Batcher(
            new() { Name = "t", MaxBatch = 4, MaxDelay = TimeSpan.FromHours(1) },
            run: items => items.Contains(13) ? throw new InferenceException("thirteen") : [.. items.Select(i => i * 10)]);

        var tasks = new[] { 1, 13, 2, 3 }.Select(i => batcher.SubmitAsync(i, default)).ToArray();

        (await Should.ThrowAsync<InferenceException>(tasks[1])).Message.ShouldBe("thirteen");
        (await Task.WhenAll(tasks[0], tasks[2], tasks[3])).ShouldBe([10, 20, 30]);
        batches.Select(b => b.Length).ShouldBe([4, 1, 1, 1, 1]);
    }

    [Fact]
    public async Task An_item_cancelled_while_it_waits_is_dropped()
    {
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 3, MaxDelay = TimeSpan.FromHours(1) });
        using var cancel = new CancellationTokenSource();

        var dropped = batcher.SubmitAsync(1, cancel.Token);
        var kept = batcher.SubmitAsync(2, default);
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(dropped);
        var rest = new[] { batcher.SubmitAsync(3, default), batcher.SubmitAsync(4, default) };

        (await Task.WhenAll(kept, rest[0], rest[1])).ShouldBe([20, 30, 40]);
        batches.ShouldHaveSingleItem().ShouldBe([2, 3, 4]);
    }

    [Fact]
    public async Task An_item_in_a_running_batch_is_answered_although_it_was_cancelled()
    {
        // The run reads memory that the caller frees as soon as it is answered: answering early would be a use after free.
        using var running = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using var batcher = Batcher(new() { Name = "t" }, run: items =>
        {
            running.Set();
            release.Wait();
            return [.. items];
        });
        using var cancel = new CancellationTokenSource();

        var task = batcher.SubmitAsync(7, cancel.Token);
        running.Wait();
        await cancel.CancelAsync();
        await Settle();
        task.IsCompleted.ShouldBeFalse();
        release.Set();

        (await task).ShouldBe(7);
    }

    [Fact]
    public async Task What_is_in_flight_is_bounded_and_the_rest_waits_its_turn()
    {
        using var release = new SemaphoreSlim(0);
        int most = 0, now = 0;
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 1, MaxCostInFlight = 2, ConcurrentRuns = 4 }, run: items =>
        {
            int inside = Interlocked.Increment(ref now);
            most = Math.Max(most, inside);
            release.Wait();
            Interlocked.Decrement(ref now);
            return [.. items];
        });

        var tasks = Enumerable.Range(0, 6).Select(i => batcher.SubmitAsync(i, default)).ToArray();
        await Poll.UntilAsync(() => Volatile.Read(ref now) == 2);
        await Settle();
        now.ShouldBe(2); // four threads are free, but only two items are admitted
        release.Release(6);

        (await Task.WhenAll(tasks)).ShouldBe([0, 1, 2, 3, 4, 5]);
        most.ShouldBeLessThanOrEqualTo(2);
    }

    [Fact]
    public async Task Waiting_for_admission_can_be_cancelled_without_losing_the_place_of_others()
    {
        using var release = new SemaphoreSlim(0);
        using var batcher = Batcher(new() { Name = "t", MaxBatch = 1, MaxCostInFlight = 1 }, run: items =>
        {
            release.Wait();
            return [.. items];
        });
        using var cancel = new CancellationTokenSource();

        var first = batcher.SubmitAsync(1, default);
        var given = batcher.SubmitAsync(2, cancel.Token);
        var third = batcher.SubmitAsync(3, default);
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(given);
        release.Release(2);

        (await Task.WhenAll(first, third)).ShouldBe([1, 3]);
    }

    [Fact]
    public async Task Disposal_fails_what_still_waits()
    {
        var batcher = Batcher(new() { Name = "t", MaxBatch = 9, MaxDelay = TimeSpan.FromHours(1) });
        var waiting = batcher.SubmitAsync(1, default);
        batcher.Dispose();

        await Should.ThrowAsync<ObjectDisposedException>(waiting);
        await Should.ThrowAsync<ObjectDisposedException>(batcher.SubmitAsync(2, default));
    }

    [Fact]
    public async Task Batches_run_on_threads_that_let_others_come_first()
    {
        int before = Nice();
        using var batcher = Batcher(new() { Name = "t", Niceness = 3 }, run: _ => [Nice()]);

        (await batcher.SubmitAsync(1, default)).ShouldBe(Math.Min(19, before + 3));
        Nice().ShouldBe(before, "threads of the pool stay as they are");

        // Nineteenth field of stat(5); the second, in brackets, may hold blanks.
        static int Nice() => int.Parse(File.ReadAllText("/proc/thread-self/stat").Split(") ")[^1].Split(' ')[16], CultureInfo.InvariantCulture);
    }

    private DynamicBatcher<int, int> Batcher(
        BatcherOptions options, Func<IReadOnlyList<int>, IReadOnlyList<int>>? run = null, Func<int, int, bool>? sameShape = null, Func<int, long>? cost = null) => new(
        items =>
        {
            batches.Enqueue([.. items]);
            return run is null ? [.. items.Select(i => i * 10)] : run(items);
        },
        sameShape ?? ((_, _) => true),
        cost ?? (_ => 1),
        options,
        time);

    /// <summary>Time for the batcher's own threads to do what they must not do.</summary>
    private static Task Settle() => Task.Delay(60);

    /// <summary>What a clock's timers are set to.</summary>
    private sealed class Rings(TimeProvider inner) : TimeProvider
    {
        public ConcurrentQueue<TimeSpan> Set { get; } = new();

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => new Timer(this, inner.CreateTimer(callback, state, dueTime, period));

        private sealed class Timer(Rings rings, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                rings.Set.Enqueue(dueTime);
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
