using MassTransit;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting;

/// <summary>
/// Messages the broker gave up on: whoever took them died, five times in a row. No fault is raised for those, so the step ends here, as crashed.
/// </summary>
internal sealed partial class DeadLetterConsumer(AnalysisUpdater updater, ILogger<DeadLetterConsumer> log) :
    IConsumer<PreprocessImage>, IConsumer<LocalizeManipulation>, IConsumer<ImagePreprocessed>, IConsumer<ImageRejected>, IConsumer<AnalysisRouted>, IConsumer<ManipulationLocalized>
{
    public Task Consume(ConsumeContext<PreprocessImage> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Preprocess, null);

    public Task Consume(ConsumeContext<LocalizeManipulation> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Localize, context.Message.Detector);

    public async Task Consume(ConsumeContext<ImagePreprocessed> context)
    {
        // From routing's queue, most likely: what the event says is still true.
        await updater.ApplyAsync(context.Message.AnalysisId, context.Message, context.CancellationToken);
        await CrashedAsync(context, context.Message.AnalysisId, Steps.Route, null);
    }

    // The rest comes from reporting's own queue. A refusal needs no work: it can be taken as it is.
    public Task Consume(ConsumeContext<ImageRejected> context) => updater.ApplyAsync(context.Message.AnalysisId, context.Message, context.CancellationToken);

    public Task Consume(ConsumeContext<AnalysisRouted> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Route, null);

    public Task Consume(ConsumeContext<ManipulationLocalized> context) => CrashedAsync(context, context.Message.AnalysisId, Steps.Localize, context.Message.Detector);

    private Task CrashedAsync(ConsumeContext context, string analysisId, string step, string? detector)
    {
        LogDead(detector ?? step, analysisId);
        ReportingMetrics.DeadLetter(step);
        return updater.ApplyAsync(
            analysisId, new StepFailed(step, detector, Passing: false, $"The {detector ?? step} service died on this picture repeatedly."), context.CancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The broker gave up on the {Step} step of {AnalysisId}: its consumer died repeatedly")]
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
    }
}
