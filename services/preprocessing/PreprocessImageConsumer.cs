using MassTransit;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Preprocessing;

/// <summary>Prepares one upload and says so, or says why it cannot be analysed.</summary>
internal sealed partial class PreprocessImageConsumer(
    IBlobStore blobs, Preprocessor preprocessor, PreparedAhead ahead, ILogger<PreprocessImageConsumer> logger) : IConsumer<PreprocessImage>
{
    public async Task Consume(ConsumeContext<PreprocessImage> context)
    {
        var (command, cancellationToken) = (context.Message, context.CancellationToken);
        string key = BlobKeys.Prepared(command.AnalysisId), output = blobs.CreateTemporaryPath();
        await ahead.WaitForRoomAsync(key, cancellationToken);
        try
        {
            using var upload = await blobs.OpenLocalAsync(command.Upload.Key, cancellationToken);
            var (facts, refusal) = await preprocessor.PrepareAsync(upload.Path, output, cancellationToken);
            if (facts is null)
            {
                await RejectAsync(context, refusal!);
                return;
            }

            long bytes = await blobs.PutFileAsync(key, output, cancellationToken);
            ahead.Add(key);
            PreprocessingMetrics.Decoded(facts.Format);
            var prepared = new ImagePreprocessed
            {
                AnalysisId = command.AnalysisId,
                Prepared = new BlobReference { Key = key, Bytes = bytes },
                Format = facts.Format,
                Width = facts.Geometry.DisplayedWidth,
                Height = facts.Geometry.DisplayedHeight,
                FaceCount = facts.Faces.Count,
                Options = command.Options,
                Warnings = facts.Warnings,
            };
            // What routing answers carries the id of the command that began it: by that, reporting knows how far this queue has got.
            await context.Publish(prepared, Pipe.Execute<PublishContext<ImagePreprocessed>>(c => c.CorrelationId = context.CorrelationId), cancellationToken);
        }
        catch (BlobNotFoundException)
        {
            // Deleted by its owner while it waited, and then nobody hears this; or this service looks at another folder than the gateway.
            await RejectAsync(context, new Refusal(ErrorCodes.ProcessingCrashed, "The upload is not in the blob store; submit it again. (For operators: do all services share one PALIMPSEST_DATA?)"));
        }
        catch (IOException e) when (e is not BlobStoreFullException && BlobStoreFullException.Is(e))
        {
            // By its name, which is all that reporting sees of it.
            throw new BlobStoreFullException(e);
        }
        finally
        {
            File.Delete(output);
        }
    }

    private async Task RejectAsync(ConsumeContext<PreprocessImage> context, Refusal refusal)
    {
        Log.Rejected(logger, context.Message.AnalysisId, refusal.Code);
        PreprocessingMetrics.Rejected(refusal.Code);
        await context.Publish(
            new ImageRejected { AnalysisId = context.Message.AnalysisId, Code = refusal.Code, Detail = refusal.Detail }, context.CancellationToken);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "{AnalysisId} rejected: {Code}")]
        public static partial void Rejected(ILogger logger, string analysisId, string code);
    }
}

/// <summary>One picture for each decoder process in work, as many ahead.</summary>
internal sealed class PreprocessImageDefinition : ConsumerDefinition<PreprocessImageConsumer>
{
    private readonly int concurrency;

    public PreprocessImageDefinition(Decoding.DecoderPool decoders)
    {
        EndpointName = Queues.Preprocess;
        ConcurrentMessageLimit = concurrency = decoders.Processes;
    }

    protected override void ConfigureConsumer(
        IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<PreprocessImageConsumer> consumerConfigurator, IRegistrationContext context) =>
        endpointConfigurator.UsePlatformDefaults(prefetch: 2 * concurrency, command: true);
}
