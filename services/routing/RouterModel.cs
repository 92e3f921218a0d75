using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Routing;

/// <summary>The random forest that guesses which kind of manipulation a picture would have, if it had one.</summary>
internal sealed partial class RouterModel : IDisposable
{
    private readonly OnnxNetwork? network;
    private readonly RouterWiring? wiring;
    private readonly double threshold;

    public RouterModel(IOptions<InferenceOptions> options, ILogger<RouterModel> logger)
    {
        try
        {
            var model = new ModelCatalog(options.Value).Load("router");
            wiring = model.Manifest.Features!;
            threshold = model.Manifest.Threshold;
            if (wiring.Version != RouterFeatures.Version || wiring.Count != RouterFeatures.Count)
            {
                throw new DetectorUnavailableException($"The router model was trained on {wiring.Version} ({wiring.Count} numbers), this service computes {RouterFeatures.Version}.");
            }

            // A hundred small trees: a GPU or a second thread would only cost.
            network = new OnnxNetwork(model.Manifest.Name, model.Network, new InferenceOptions { Provider = ExecutionProviders.Cpu, ConcurrentRuns = 1, Threads = 1 }, logger);
            Ask(new float[RouterFeatures.Count]);
        }
        catch (Exception e) when (e is DetectorUnavailableException or InferenceException or IOException or UnauthorizedAccessException)
        {
            network?.Dispose();
            (network, Unavailable) = (null, e.Message);
            NoRouter(logger, e.Message);
        }
    }

    /// <summary>Why there is no router; null when there is one.</summary>
    public string? Unavailable { get; }

    /// <summary>What the forest thinks of a picture; null without a forest.</summary>
    public RouterOpinion? Ask(PreparedImage image) => network is null
        ? null
        : Ask(RouterFeatures.Compute(image.Pixels, image.Width, image.Height, [.. image.Facts.Faces.Select(face => face.Box)], image.Facts.Geometry.SwapsAxes));

    public void Dispose() => network?.Dispose();

    private RouterOpinion Ask(float[] features)
    {
        using var outputs = network!.Run([new NetworkInput(wiring!.Input, features, [1, features.Length])], [wiring.Probabilities]);
        var probabilities = outputs.Values(0);
        int shallowfake = wiring.Classes.ToList().IndexOf("shallowfake");
        return probabilities.Length == 2
            ? new RouterOpinion(probabilities[shallowfake], probabilities[1 - shallowfake], threshold)
            : throw new InferenceException($"The router gave {probabilities.Length} probabilities, not two.");
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "There is no router, pictures with faces go to both localizers: {Reason}")]
    private static partial void NoRouter(ILogger logger, string reason);
}
