using System.Collections.Concurrent;
using System.Numerics;

namespace Palimpsest.Inference;

/// <summary>
/// Pinned float buffers for network inputs, reused: a picture's tensor is megabytes, and fresh ones would churn the large-object heap.
/// Sizes are rounded up to quarters of a power of two, and one of up to twice the size serves as well: else each size of batch, however rare, would keep buffers of its own.
/// At most <see cref="Kept"/> floats are kept.
/// </summary>
internal sealed class TensorPool
{
    /// <summary>Floats kept for reuse: 32 M, 128 MB.</summary>
    public const long Kept = 32L << 20;

    private readonly ConcurrentDictionary<int, ConcurrentBag<float[]>> free = new();
    private long kept;

    public static TensorPool Shared { get; } = new();

    public Buffer Rent(int length)
    {
        for (int size = SizeFor(length); size <= 2L * SizeFor(length); size = SizeFor(size + 1))
        {
            if (free.TryGetValue(size, out var bag) && bag.TryTake(out float[]? values))
            {
                Interlocked.Add(ref kept, -size);
                return new Buffer(this, values, length);
            }
        }

        return new Buffer(this, GC.AllocateUninitializedArray<float>(SizeFor(length), pinned: true), length);
    }

    private void Return(float[] values)
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
    public readonly struct Buffer(TensorPool pool, float[] values, int length) : IDisposable
    {
        public Memory<float> Memory => values.AsMemory(0, length);

        public Span<float> Span => values.AsSpan(0, length);

        public void Dispose() => pool.Return(values);
    }
}
