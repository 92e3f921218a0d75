using System.Diagnostics;
using Palimpsest.Hosting;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class BatchTelemetryTests
{
    [Fact]
    public async Task Each_request_has_its_wait_and_the_run_links_to_all_of_them()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == PlatformTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (spans)
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var batcher = new DynamicBatcher<int, int>(
            items => items, (_, _) => true, _ => 1, new BatcherOptions { Name = "spans", MaxBatch = 2, MaxDelay = TimeSpan.FromMinutes(1) }, TimeProvider.System);

        var contexts = await Task.WhenAll(Submit(1), Submit(2));

        Activity[] mine;
        lock (spans)
        {
            mine = [.. spans.Where(span => (string?)span.GetTagItem("model") == "spans")];
        }

        var waits = mine.Where(span => span.OperationName == "batch.wait").ToArray();
        waits.Select(span => span.ParentSpanId).ShouldBe(contexts.Select(context => context.SpanId), ignoreOrder: true);
        waits.Select(span => span.TraceId).ShouldBe(contexts.Select(context => context.TraceId), ignoreOrder: true);
        var run = mine.Single(span => span.OperationName == "onnx.run");
        contexts.ShouldContain(context => context.TraceId == run.TraceId && context.SpanId == run.ParentSpanId);
        run.Links.Select(link => link.Context.SpanId).ShouldBe(contexts.Select(context => context.SpanId), ignoreOrder: true);
        run.GetTagItem("batch.size").ShouldBe(2);
        Activity.Current.ShouldBeNull();

        async Task<ActivityContext> Submit(int item)
        {
            using var request = new Activity("request").Start(); // a trace of its own
            await batcher.SubmitAsync(item, default);
            return request.Context;
        }
    }
}
