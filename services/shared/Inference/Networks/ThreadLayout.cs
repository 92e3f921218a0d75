namespace Palimpsest.Inference;

/// <summary>How many runs and threads suit this machine.</summary>
internal static class ThreadLayout
{
    public static int Runs(InferenceOptions options, string provider) =>
        options.ConcurrentRuns > 0 ? options.ConcurrentRuns : provider == ExecutionProviders.Cpu ? Math.Max(1, Environment.ProcessorCount / 4) : 1;

    public static int Threads(InferenceOptions options, string provider, int runs) =>
        options.Threads > 0 ? options.Threads : provider == ExecutionProviders.Cpu ? Math.Max(1, Environment.ProcessorCount / runs) : 1;

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
            MaxBatch = !batchable ? 1 : options.MaxBatch > 0 ? options.MaxBatch : cpu ? 8 : 16,
            MaxBatchCost = options.MaxBatchPixels > 0 ? options.MaxBatchPixels : cpu ? 1L << 20 : 16L << 20,
            MaxDelay = TimeSpan.FromMilliseconds(options.MaxDelayMs ?? (cpu || !batchable ? 0 : 2)),
            MaxCostInFlight = options.MaxPixelsInFlight,
        };
    }
}
