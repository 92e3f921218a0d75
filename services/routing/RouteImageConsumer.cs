using MassTransit;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Routing;

/// <summary>Looks at a prepared picture, plans which localizers see it, says so, and sends the first of them their work.</summary>
internal sealed partial class RouteImageConsumer(
    RouterModel router, LivingDetectors detectors, IBlobStore blobs, ILogger<RouteImageConsumer> logger) : IConsumer<ImagePreprocessed>
{
    public async Task Consume(ConsumeContext<ImagePreprocessed> context)
    {
        var message = context.Message;
        RoutingInput input;
        try
        {
            input = await LookAsync(message, context.CancellationToken);
        }
        catch (BlobNotFoundException)
        {
            Gone(message.AnalysisId); // erased meanwhile: nobody waits for a plan
            return;
        }

        var decision = RoutingPlanner.Plan(input);
        await context.Publish(
            new AnalysisRouted
            {
                AnalysisId = message.AnalysisId,
                Prepared = message.Prepared,
                Preprocessed = message,
                Shallowfake = input.Router?.Shallowfake,
                Deepfake = input.Router?.Deepfake,
                Reasons = decision.Reasons,
                Plan = decision.Plan,
                Options = message.Options,
            },
            context.CancellationToken);
        foreach (var detector in decision.Plan.Where(detector => detector.Action == DetectorActions.Run))
        {
            var command = new LocalizeManipulation { AnalysisId = message.AnalysisId, Detector = detector.Detector, Prepared = message.Prepared, Options = message.Options };
            var queue = await context.GetSendEndpoint(Queues.Address(Queues.Localize(detector.Detector)));
            await queue.Send(command, context.CancellationToken);
        }
    }

    private async Task<RoutingInput> LookAsync(ImagePreprocessed message, CancellationToken cancellationToken)
    {
        using var span = PlatformTelemetry.Source.StartActivity("route");
        var alive = await detectors.ListAsync(cancellationToken);
        using var file = await blobs.OpenLocalAsync(message.Prepared.Key, cancellationToken);
        using var image = PreparedImage.Open(file.Path);

        return RoutingInput.Of(image, message.Options, router, alive);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{AnalysisId} was erased before it was routed")]
    private partial void Gone(string analysisId);
}

/// <summary>Routing's queue of events.</summary>
internal sealed class RouteImageDefinition : ConsumerDefinition<RouteImageConsumer>
{
    public RouteImageDefinition() => EndpointName = Queues.Route;

    protected override void ConfigureConsumer(
        IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<RouteImageConsumer> consumerConfigurator, IRegistrationContext context) =>
        endpointConfigurator.UsePlatformDefaults(prefetch: 4 * Environment.ProcessorCount, command: false);
}
