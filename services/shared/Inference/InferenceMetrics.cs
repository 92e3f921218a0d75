using System.Diagnostics.Metrics;
using Palimpsest.Hosting;

namespace Palimpsest.Inference;

/// <summary>What the inference layer counts; seconds and counts, labelled by model name only.</summary>
internal static class InferenceMetrics
{
    public static Histogram<double> QueueWait { get; } =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.inference.queue_wait", "s", "From submission to the start of the batch.");

    public static Histogram<int> BatchSize { get; } =
        PlatformTelemetry.Meter.CreateHistogram<int>("palimpsest.inference.batch_size", "{item}", "Items in a batch.");

    public static Histogram<double> RunTime { get; } =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.inference.run_time", "s", "One batch: packing, network and unpacking.");

    public static Histogram<double> NetworkTime { get; } =
        PlatformTelemetry.Meter.CreateHistogram<double>("palimpsest.inference.network_time", "s", "Inside ONNX Runtime, one call.");

    public static Counter<double> NetworkCpu { get; } = PlatformTelemetry.Meter.CreateCounter<double>(
        "palimpsest.inference.network_cpu", "s", "Processor time inside ONNX Runtime, where a run has one thread on the CPU: what is left of the process' time is ours.");

    public static Counter<long> Runs { get; } =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.inference.runs", "{run}", "Calls of ONNX Runtime.");

    public static Counter<long> Failures { get; } =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.inference.failures", "{item}", "Items whose network run failed.");

    public static Counter<long> ProviderFallbacks { get; } =
        PlatformTelemetry.Meter.CreateCounter<long>("palimpsest.inference.provider_fallbacks", "{fallback}", "Models that run on the CPU because no accelerator could be used.");

    public static KeyValuePair<string, object?> Model(string name) => new("model", name);
}
