using System.Buffers;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Inference;

/// <summary>
/// A localizer's network behind its batcher: requests in, probabilities out, wired by the manifest. Tensors are packed straight from the
/// mapped picture when the batch leaves, so a waiting request costs no memory.
/// </summary>
internal sealed class LocalizerNetwork : IDisposable
{
    private readonly OnnxNetwork network;
    private readonly PixelPacker packer;
    private readonly OutputReader reader;
    private readonly DynamicBatcher<NetworkRequest, NetworkAnswer> batcher;

    /// <summary>Loads, checks against the manifest and warms up.</summary>
    /// <exception cref="DetectorUnavailableException">The network cannot be loaded or is not what its manifest says.</exception>
    public LocalizerNetwork(LoadedModel model, InferenceOptions options, TimeProvider time, ILogger logger)
    {
        Manifest = model.Manifest;
        network = new OnnxNetwork(Manifest.Name, model.Network, options, logger);
        try
        {
            GraphRules.Check(Manifest, network);
            packer = new PixelPacker(Manifest.Inputs.Pixels!);
            reader = new OutputReader(Manifest);
            bool batchable = network.Inputs[Manifest.Inputs.Pixels!.Name].Dimensions[0] != 1;
            var batching = ThreadLayout.Batching(options, network, batchable);
            WarmUp(batchable && network.Provider != ExecutionProviders.Cpu ? batching.MaxBatch : 1);
            batcher = new DynamicBatcher<NetworkRequest, NetworkAnswer>(Run, (a, b) => a.SameShape(b), request => request.Pixels, batching, time);
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    public ModelManifest Manifest { get; }

    public string Provider => network.Provider;

    public Task<NetworkAnswer> RunAsync(NetworkRequest request, CancellationToken cancellationToken) => batcher.SubmitAsync(request, cancellationToken);

    /// <summary>Answers a batch of one shape on the calling thread.</summary>
    public IReadOnlyList<NetworkAnswer> Run(IReadOnlyList<NetworkRequest> batch)
    {
        using var tensors = new LocalizerTensors(Manifest, batch.Count, batch[0].Width, batch[0].Height);
        for (int i = 0; i < batch.Count; i++)
        {
            Pack(batch[i], tensors, i);
        }

        using var outputs = network.Run(tensors.Inputs, reader.Names);
        return reader.Read(outputs, batch.Count);
    }

    public void Dispose()
    {
        batcher.Dispose();
        network.Dispose();
    }

    private void Pack(NetworkRequest request, LocalizerTensors tensors, int item)
    {
        var image = request.Image;
        if (request.KeepsPixelGrid)
        {
            packer.Pack(image.Pixels, image.Width, image.Height, request.Source, tensors.Pixels(item));
        }
        else
        {
            byte[] resized = ArrayPool<byte>.Shared.Rent(request.Width * request.Height * 3);
            var bytes = resized.AsSpan(0, request.Width * request.Height * 3);
            PixelResizer.Resize(image.Pixels, image.Width, image.Height, request.Source, bytes, request.Width, request.Height);
            packer.Pack(bytes, request.Width, request.Height, new Region(0, 0, request.Width, request.Height), tensors.Pixels(item));
            ArrayPool<byte>.Shared.Return(resized);
        }

        bool history = request.OnBlockGrid && image.HasCoefficients && !image.Facts.Geometry.Reduced && image.Facts.Jpeg is not null;
        if (Manifest.Inputs.Dct is { } dct)
        {
            var blocks = history ? request.Source : new Region(0, 0, request.Width, request.Height); // a resized crop lies on no grid: all zero
            CoefficientPacker.Pack(
                history ? image.Coefficients : [], history ? image.BlocksWide : 0, history ? image.BlocksHigh : 0, blocks, dct.Coefficients, tensors.Coefficients(item));
        }

        if (Manifest.Inputs.Qtable is not null)
        {
            var table = tensors.Table(item);
            table.Clear();
            for (int i = 0; history && i < Math.Min(64, image.Facts.Jpeg!.LuminanceTable.Count); i++)
            {
                table[i] = image.Facts.Jpeg.LuminanceTable[i];
            }
        }
    }

    /// <summary>Runs grey pictures of the sizes to come: the runtime's first run of a shape allocates, and on a GPU tunes.</summary>
    private void WarmUp(int largestBatch)
    {
        int side = (512 + Manifest.Size.MultipleOf - 1) / Manifest.Size.MultipleOf * Manifest.Size.MultipleOf;
        var (width, height) = Manifest.Size.Fixed ? (Manifest.Size.Width, Manifest.Size.Height) : (side, side);
        for (int batch = 1; batch <= largestBatch; batch *= 2)
        {
            using var tensors = new LocalizerTensors(Manifest, batch, width, height);
            foreach (var input in tensors.Inputs)
            {
                input.Values.Span.Clear();
            }

            try
            {
                using var outputs = network.Run(tensors.Inputs, reader.Names);
                reader.Read(outputs, batch);
            }
            catch (InferenceException e)
            {
                throw new DetectorUnavailableException($"The network {Manifest.Name} failed its first run. {e.Message}");
            }
        }
    }
}
