using System.Diagnostics;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>Fetches a prepared picture, asks the localizer, stores its maps, publishes its answer. What cannot be answered is an answer too.</summary>
/// <typeparam name="TKind">Which localizer.</typeparam>
internal sealed partial class LocalizeManipulationConsumer<TKind>(
    IServiceProvider services, IBlobStore blobs, TimeProvider time, ILogger<LocalizeManipulationConsumer<TKind>> logger) : IConsumer<LocalizeManipulation>
    where TKind : ILocalizerKind
{
    private readonly ModelDetector detector = services.GetRequiredKeyedService<ModelDetector>(TKind.Name);

    public async Task Consume(ConsumeContext<LocalizeManipulation> context)
    {
        var command = context.Message;
        using var span = PlatformTelemetry.Source.StartActivity("localize");
        span?.SetTag("detector", detector.Name);
        ManipulationLocalized answer;
        try
        {
            answer = await LocalizeAsync(command, context.CancellationToken);
        }
        catch (Exception e) when (e is DetectorUnavailableException or InferenceException or BlobNotFoundException or InvalidDataException)
        {
            string reason = e is BlobNotFoundException ? "The prepared picture is gone." : e.Message;
            NotLocalized(command.AnalysisId, detector.Name, reason);
            span?.SetStatus(ActivityStatusCode.Error, reason);
            answer = Answer(command, DetectorStates.Error) with { Reason = reason };
        }

        await context.Publish(answer, context.CancellationToken);
    }

    private async Task<ManipulationLocalized> LocalizeAsync(LocalizeManipulation command, CancellationToken cancellationToken)
    {
        using var file = await blobs.OpenLocalAsync(command.Prepared.Key, cancellationToken);
        using var image = PreparedImage.Open(file.Path);
        long start = time.GetTimestamp();
        var found = await detector.DetectAsync(image, command.Options, cancellationToken);
        double milliseconds = time.GetElapsedTime(start).TotalMilliseconds;
        return Answer(command, found.State) with
        {
            Score = found.Score,
            Map = await StoreAsync(BlobKeys.Map(command.AnalysisId, detector.Name), found.Map, cancellationToken),
            Activation = await StoreAsync(BlobKeys.Activation(command.AnalysisId, detector.Name), found.Activation, cancellationToken),
            FaceScores = found.FaceScores,
            DurationMs = milliseconds,
            Reason = found.Reason,
        };
    }

    private ManipulationLocalized Answer(LocalizeManipulation command, string state) => new()
    {
        AnalysisId = command.AnalysisId,
        Detector = detector.Name,
        State = state,
        Threshold = detector.Manifest?.Threshold,
        Model = detector.Model,
        Provider = detector.Model is null ? null : detector.Provider,
    };

    private async Task<BlobReference?> StoreAsync(string key, ProbabilityMap? map, CancellationToken cancellationToken)
    {
        if (map is null)
        {
            return null;
        }

        // The key says it all: a second run of the same command writes the same bytes to the same place.
        using var content = new MemoryStream(map.ToBytes(), writable: false);
        return new BlobReference { Key = key, Bytes = await blobs.PutAsync(key, content, cancellationToken) };
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{AnalysisId}: {Detector} gave no answer: {Reason}")]
    private partial void NotLocalized(string analysisId, string detector, string reason);
}

/// <summary>The localizer's queue: a command queue of its own, with twice as many messages in hand as its batches can hold.</summary>
/// <typeparam name="TKind">Which localizer.</typeparam>
internal sealed class LocalizeManipulationDefinition<TKind> : ConsumerDefinition<LocalizeManipulationConsumer<TKind>>
    where TKind : ILocalizerKind
{
    private readonly int prefetch;

    public LocalizeManipulationDefinition(Microsoft.Extensions.Options.IOptions<InferenceOptions> options)
    {
        EndpointName = Queues.Localize(TKind.Name);
        prefetch = ThreadLayout.Prefetch(options.Value);
    }

    protected override void ConfigureConsumer(
        IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<LocalizeManipulationConsumer<TKind>> consumerConfigurator, IRegistrationContext context) =>
        endpointConfigurator.UsePlatformDefaults(prefetch, command: true);
}
