using System.Collections.Concurrent;
using System.Numerics;

namespace Palimpsest.Inference;

/// <summary>
/// Pinned buffers for network inputs, reused: a picture's tensor is megabytes, and fresh ones would churn the large-object heap.
/// Sizes are rounded up to quarters of a power of two, and one of up to twice the size serves as well: else each size of batch, however rare, would keep buffers of its own.
/// At most <see cref="Kept"/> values are kept.
/// </summary>
/// <typeparam name="T">float or byte.</typeparam>
internal sealed class TensorPool<T>
    where T : unmanaged
{
    /// <summary>Values kept for reuse: 32 M, 128 MB of floats.</summary>
    public const long Kept = 32L << 20;

    private readonly ConcurrentDictionary<int, ConcurrentBag<T[]>> free = new();
    private long kept;

    public static TensorPool<T> Shared { get; } = new();

    public Buffer Rent(int length)
    {
        for (int size = SizeFor(length); size <= 2L * SizeFor(length); size = SizeFor(size + 1))
        {
            if (free.TryGetValue(size, out var bag) && bag.TryTake(out T[]? values))
            {
                Interlocked.Add(ref kept, -size);
                return new Buffer(this, values, length);
            }
        }

        return new Buffer(this, GC.AllocateUninitializedArray<T>(SizeFor(length), pinned: true), length);
    }

    private void Return(T[] values)
    {
        if (Interlocked.Add(ref kept, values.Length) > Kept)
        {
            Interlocked.Add(ref kept, -values.Length);
            return;
        }

        free.GetOrAdd(values.Length, _ => []).Add(values);
    }

    private static int SizeFor(int length)
    {
        int quarter = Math.Max(1024, (int)BitOperations.RoundUpToPowerOf2((uint)length) / 8);
        return (length + quarter - 1) / quarter * quarter;
    }

    /// <summary>A rented buffer; what it holds is left over from its last use.</summary>
    public readonly struct Buffer(TensorPool<T> pool, T[] values, int length) : IDisposable
    {
        public Memory<T> Memory => values.AsMemory(0, length);

        public Span<T> Span => values.AsSpan(0, length);

        public void Dispose() => pool.Return(values);
    }
}
