using MassTransit;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Messages the broker gave up on: whoever held them died or lost its connection, six times in a row. No fault is raised for those. The broker cannot tell the message that killed its
/// consumer from those that lay beside it, nor from one whose consumer was killed from outside: the step is sent again, later each time, and only when that has been of no use either
/// it ends as crashed.
/// </summary>
internal sealed partial class DeadLetterConsumer(AnalysisUpdater updater, ILogger<DeadLetterConsumer> log) :
    IConsumer<PreprocessImage>, IConsumer<LocalizeManipulation>, IConsumer<ImagePreprocessed>, IConsumer<ImageRejected>, IConsumer<AnalysisRouted>, IConsumer<ManipulationLocalized>,
    IConsumer<Fault<PreprocessImage>>, IConsumer<Fault<ImagePreprocessed>>, IConsumer<Fault<LocalizeManipulation>>
{
    public Task Consume(ConsumeContext<PreprocessImage> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Preprocess, null);

    public Task Consume(ConsumeContext<LocalizeManipulation> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Localize, context.Message.Detector);

    public async Task Consume(ConsumeContext<ImagePreprocessed> context)
    {
        // From routing's queue, most likely: what the event says is still true.
        await updater.ApplyAsync(context.Message.AnalysisId, context.Message, context.CancellationToken);
        await CrashedAsync(context, context.Message.AnalysisId, Steps.Route, null);
    }

    // The rest comes from reporting's own queue. A refusal needs no work: it can be taken as it is. Other news may be what killed reporting: the step that told of it is done again.
    public Task Consume(ConsumeContext<ImageRejected> context) => updater.ApplyAsync(context.Message.AnalysisId, context.Message, context.CancellationToken);

    public Task Consume(ConsumeContext<AnalysisRouted> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Route, null);

    public Task Consume(ConsumeContext<ManipulationLocalized> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Localize, context.Message.Detector);

    public Task Consume(ConsumeContext<Fault<PreprocessImage>> context) => CrashedAsync(context, context.Message.Message.AnalysisId, Steps.Preprocess, null);

    public Task Consume(ConsumeContext<Fault<ImagePreprocessed>> context) => CrashedAsync(context, context.Message.Message.AnalysisId, Steps.Route, null);

    public Task Consume(ConsumeContext<Fault<LocalizeManipulation>> context) => CrashedAsync(context, context.Message.Message.AnalysisId, Steps.Localize, context.Message.Message.Detector);

    private Task CrashedAsync(ConsumeContext context, string analysisId, string step, string? detector)
    {
        LogDead(detector ?? step, analysisId);
        ReportingMetrics.DeadLetter(step);
        // Those that lay beside a killer come apart from it.
        var failed = new StepFailed(step, detector, Passing: true, $"The {detector ?? step} service died on this picture repeatedly.", Random.Shared.NextDouble());
        return updater.ApplyAsync(analysisId, failed, context.CancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The broker gave up on the {Step} step of {AnalysisId}: its consumer died or was cut off repeatedly")]
    private partial void LogDead(string step, string analysisId);
}

/// <summary>The dead-letter queue and its exchange, both of that name: declared by being consumed. Bound to no message type.</summary>
internal sealed class DeadLetterDefinition : ConsumerDefinition<DeadLetterConsumer>
{
    public DeadLetterDefinition() => EndpointName = Queues.DeadLetter;

    protected override void ConfigureConsumer(
        IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<DeadLetterConsumer> consumerConfigurator, IRegistrationContext context)
    {
        endpointConfigurator.PrefetchCount = 8;
        endpointConfigurator.ConfigureConsumeTopology = false;
        if (endpointConfigurator is IRabbitMqReceiveEndpointConfigurator rabbit)
        {
            rabbit.SetQuorumQueue();
        }

        endpointConfigurator.UsePlatformRetry();
    }
}
