namespace Palimpsest.Inference;

/// <summary>How many runs and threads suit this machine.</summary>
internal static class ThreadLayout
{
    /// <summary>
    /// Each run needs memory of its own, about 0.2 GB a megapixel. Up to here single-threaded runs are the better use of cores: on two of them
    /// two runs of one thread did 512² pictures in 69 ms of processor time each, one run of two threads in 75 ms.
    /// </summary>
    private const int MostRuns = 4;

    public static int Runs(InferenceOptions options, string provider) =>
        options.ConcurrentRuns > 0 ? options.ConcurrentRuns : provider == ExecutionProviders.Cpu ? Math.Min(Environment.ProcessorCount, MostRuns) : 1;

    public static int Threads(InferenceOptions options, string provider, int runs) =>
        options.Threads > 0 ? options.Threads : provider == ExecutionProviders.Cpu ? Math.Max(1, Environment.ProcessorCount / runs) : 1;

    /// <summary>Messages a localizer holds: what runs, and as much again being fetched.</summary>
    public static int Prefetch(InferenceOptions options)
    {
        // The provider is not known before a model is loaded; "auto" without a demand for a GPU is judged as the CPU.
        string provider = options.Provider == ExecutionProviders.Auto ? ExecutionProviders.Cpu : options.Provider;
        return 2 * MaxBatch(options, provider) * Runs(options, provider);
    }

    /// <summary>The batcher's knobs for a network.</summary>
    /// <param name="options">What the user set.</param>
    /// <param name="network">The network.</param>
    /// <param name="batchable">False when the graph's batch dimension is fixed to 1.</param>
    public static BatcherOptions Batching(InferenceOptions options, OnnxNetwork network, bool batchable)
    {
        bool cpu = network.Provider == ExecutionProviders.Cpu;
        return new BatcherOptions
        {
            Name = network.Name,
            ConcurrentRuns = network.ConcurrentRuns,
            MaxBatch = batchable ? MaxBatch(options, network.Provider) : 1,
            MaxBatchCost = options.MaxBatchPixels > 0 ? options.MaxBatchPixels : cpu ? 1L << 20 : 16L << 20,
            Spread = cpu,
            Niceness = options.Niceness,
            MaxDelay = TimeSpan.FromMilliseconds(options.MaxDelayMs ?? (cpu || !batchable ? 0 : 2)),
            MaxCostInFlight = options.MaxPixelsInFlight,
        };
    }

    private static int MaxBatch(InferenceOptions options, string provider) => options.MaxBatch > 0 ? options.MaxBatch : provider == ExecutionProviders.Cpu ? 4 : 16;
}
