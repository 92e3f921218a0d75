using System.Diagnostics;
using MassTransit;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>News of an analysis: applies it. Everything that can happen to a message of ours arrives here or in <see cref="DeadLetterConsumer"/>.</summary>
internal sealed class ReportConsumer(AnalysisUpdater updater) :
    IConsumer<ImagePreprocessed>, IConsumer<ImageRejected>, IConsumer<AnalysisRouted>, IConsumer<ManipulationLocalized>,
    IConsumer<Fault<PreprocessImage>>, IConsumer<Fault<ImagePreprocessed>>, IConsumer<Fault<LocalizeManipulation>>
{
    public Task Consume(ConsumeContext<ImagePreprocessed> context) => ApplyAsync(context, context.Message.AnalysisId, context.Message);

    public Task Consume(ConsumeContext<ImageRejected> context) => ApplyAsync(context, context.Message.AnalysisId, context.Message);

    public Task Consume(ConsumeContext<AnalysisRouted> context) => ApplyAsync(context, context.Message.AnalysisId, context.Message);

    public Task Consume(ConsumeContext<ManipulationLocalized> context) => ApplyAsync(context, context.Message.AnalysisId, context.Message);

    public Task Consume(ConsumeContext<Fault<PreprocessImage>> context) =>
        ApplyAsync(context, context.Message.Message.AnalysisId, Faults.Explain(Steps.Preprocess, null, context.Message));

    public async Task Consume(ConsumeContext<Fault<ImagePreprocessed>> context)
    {
        // Our own failure on this event raises the same fault: routing may be fine, and the sweep repeats what we missed.
        if (context.SourceAddress?.AbsolutePath.EndsWith("/" + Queues.Route, StringComparison.Ordinal) != true)
        {
            return;
        }

        await ApplyAsync(context, context.Message.Message.AnalysisId, context.Message.Message);
        await ApplyAsync(context, context.Message.Message.AnalysisId, Faults.Explain(Steps.Route, null, context.Message));
    }

    public Task Consume(ConsumeContext<Fault<LocalizeManipulation>> context) =>
        ApplyAsync(context, context.Message.Message.AnalysisId, Faults.Explain(Steps.Localize, context.Message.Message.Detector, context.Message));

    private async Task ApplyAsync(ConsumeContext context, string analysisId, object @event)
    {
        using var span = PlatformTelemetry.Source.StartActivity("report");
        span?.SetTag("palimpsest.event", @event.GetType().Name);
        await updater.ApplyAsync(analysisId, @event, context.CancellationToken, context.InitiatorId is { } command ? Ids.MadeAt(command) : null);
    }
}
