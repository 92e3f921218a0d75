using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// A localizer made of whatever network the models folder holds for its name: ours or a user's own. The manifest decides whether it looks at
/// faces or at the whole picture.
/// </summary>
public sealed partial class ModelDetector : IDetector, IDisposable
{
    private readonly ModelCatalog catalog;
    private readonly InferenceOptions options;
    private readonly TimeProvider time;
    private readonly ILogger<ModelDetector> logger;
    private readonly TaskCompletionSource attempted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile Loaded? loaded;

    /// <summary>A detector that has loaded nothing yet.</summary>
    /// <param name="name">One of <see cref="DetectorNames"/>.</param>
    /// <param name="options">How networks run and where they lie.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Log.</param>
    public ModelDetector(string name, InferenceOptions options, TimeProvider time, ILogger<ModelDetector> logger)
    {
        Name = name;
        catalog = new ModelCatalog(options);
        (this.options, this.time, this.logger) = (options, time, logger);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public ModelIdentity? Model => loaded?.Network.Manifest.Identity;

    /// <inheritdoc/>
    public string? Unavailable { get; private set; } = "The model is being loaded.";

    /// <inheritdoc/>
    public string Provider => loaded?.Network.Provider ?? ExecutionProviders.Cpu;

    /// <summary>The loaded model's card and thresholds; null while none is.</summary>
    public ModelManifest? Manifest => loaded?.Network.Manifest;

    /// <summary>Loads, checks and warms the model. Never throws: what went wrong is in <see cref="Unavailable"/>.</summary>
    public void Load()
    {
        if (loaded is not null)
        {
            return;
        }

        try
        {
            var model = catalog.Load(Name);
            var network = new LocalizerNetwork(model, options, time, logger);
            loaded = new Loaded(network, model.Manifest.Face is null ? new WholeImageLocalizer(network) : new FaceLocalizer(network));
            Unavailable = null;
            Ready(Name, model.Manifest.Name, model.Manifest.Version, network.Provider);
            if (model.Manifest.Unknown is { Count: > 0 } unknown)
            {
                UnknownFields(model.Manifest.Name, string.Join(", ", unknown.Keys));
            }
        }
        catch (Exception e) when (e is DetectorUnavailableException or IOException or UnauthorizedAccessException)
        {
            Unavailable = e.Message;
            CannotLoad(Name, e.Message);
        }
        finally
        {
            attempted.TrySetResult();
        }
    }

    /// <inheritdoc/>
    public async Task<Detection> DetectAsync(PreparedImage image, AnalysisOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(image);
        // Work that arrives while the model is being loaded waits: a restart must not cost a picture its answer.
        await attempted.Task.WaitAsync(cancellationToken);
        var current = loaded ?? throw new DetectorUnavailableException(Unavailable ?? "No model is loaded.");
        return await current.Localizer.DetectAsync(image, options, cancellationToken);
    }

    /// <inheritdoc/>
    public void Dispose() => loaded?.Network.Dispose();

    private sealed record Loaded(LocalizerNetwork Network, ILocalizer Localizer);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Detector}: model {Model} {Version} is ready on {Provider}")]
    private partial void Ready(string detector, string model, string version, string provider);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Detector} has no model: {Reason}")]
    private partial void CannotLoad(string detector, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The manifest of {Model} has fields that are not known: {Fields}")]
    private partial void UnknownFields(string model, string fields);
}
