using System.Diagnostics;
using Palimpsest.Hosting;

namespace Palimpsest.Inference;

/// <summary>Spans and metrics of batches: each item's <c>batch.wait</c> in its own trace, one <c>onnx.run</c> a batch that links to all its items.</summary>
internal static class BatchTelemetry
{
    public static void Left<TItem, TResult>(string name, List<BatchEntry<TItem, TResult>> batch, TimeProvider time)
    {
        InferenceMetrics.BatchSize.Record(batch.Count, InferenceMetrics.Model(name));
        foreach (var entry in batch)
        {
            InferenceMetrics.QueueWait.Record(time.GetElapsedTime(entry.Timestamp).TotalSeconds, InferenceMetrics.Model(name));
            if (PlatformTelemetry.Source.HasListeners())
            {
                using var wait = PlatformTelemetry.Source.StartActivity("batch.wait", ActivityKind.Internal, entry.Context, startTime: entry.Submitted);
                wait?.SetTag("model", name).SetTag("batch.size", batch.Count);
            }
        }
    }

    /// <summary>The run belongs to its first item's trace; the others are linked, as a span has one parent.</summary>
    public static Activity? StartRun<TItem, TResult>(string name, List<BatchEntry<TItem, TResult>> batch)
    {
        if (!PlatformTelemetry.Source.HasListeners())
        {
            return null;
        }

        var links = batch.Where(entry => entry.Context != default).Select(entry => new ActivityLink(entry.Context));
        var span = PlatformTelemetry.Source.StartActivity("onnx.run", ActivityKind.Internal, batch[0].Context, links: links);
        return span?.SetTag("model", name).SetTag("batch.size", batch.Count);
    }
}
