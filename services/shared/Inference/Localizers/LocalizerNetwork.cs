using System.Buffers;
using Microsoft.Extensions.Logging;
using Palimpsest.Imaging;

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
        return [.. reader.Read(outputs, batch.Count).Zip(batch, (answer, request) =>
            answer with { Mask = TurnBack(answer.Mask, request.Orientation), Activation = TurnBack(answer.Activation, request.Orientation) })];
    }

    public void Dispose()
    {
        batcher.Dispose();
        network.Dispose();
    }

    private void Pack(NetworkRequest request, LocalizerTensors tensors, int item)
    {
        var image = request.Image;
        if (Manifest.Inputs.Pixels!.IsBytes)
        {
            Show(request, tensors.Bytes(item));
        }
        else
        {
            PackPixels(request, tensors.Pixels(item));
        }

        bool history = request.OnBlockGrid && image.HasCoefficients && !image.Facts.Geometry.Reduced && image.Facts.Jpeg is not null;
        if (Manifest.Inputs.Dct is not null)
        {
            PackCoefficients(request, history, tensors.Coefficients(item));
        }

        if (Manifest.Inputs.Qtable is not null)
        {
            var table = tensors.Table(item);
            table.Clear();
            for (int k = 0; history && k < Math.Min(table.Length, image.Facts.Jpeg!.LuminanceTable.Count); k++)
            {
                table[k] = image.Facts.Jpeg.LuminanceTable[TurnedCoefficients.Source(k, request.Orientation)];
            }
        }
    }

    private void PackPixels(NetworkRequest request, Span<float> tensor)
    {
        var image = request.Image;
        if (request.Orientation == 1 && request.KeepsPixelGrid)
        {
            packer.Pack(image.Pixels, image.Width, image.Height, request.Source, tensor);
            return;
        }

        // Bytes are cut, resized and turned, and only then become floats, of which there are four times as many.
        int length = request.Width * request.Height * 3;
        byte[] shown = ArrayPool<byte>.Shared.Rent(length);
        Show(request, shown.AsSpan(0, length));
        packer.Pack(shown.AsSpan(0, length), request.Width, request.Height, new Region(0, 0, request.Width, request.Height), tensor);
        ArrayPool<byte>.Shared.Return(shown);
    }

    /// <summary>The bytes that a network is shown: the region, at its size, upright.</summary>
    private static void Show(NetworkRequest request, Span<byte> shown)
    {
        if (request.Orientation == 1)
        {
            Cut(request, shown);
            return;
        }

        var (width, height) = request.Unturned;
        byte[] cut = ArrayPool<byte>.Shared.Rent(shown.Length);
        Cut(request, cut.AsSpan(0, shown.Length));
        Turning.ApplyRgb(cut.AsSpan(0, shown.Length), width, height, request.Orientation, shown);
        ArrayPool<byte>.Shared.Return(cut);
    }

    private static void Cut(NetworkRequest request, Span<byte> cut)
    {
        var image = request.Image;
        if (request.KeepsPixelGrid)
        {
            PixelResizer.Cut(image.Pixels, image.Width, image.Height, request.Source, cut);
        }
        else
        {
            PixelResizer.Resize(image.Pixels, image.Width, image.Height, request.Source, cut, request.Unturned.Width, request.Unturned.Height);
        }
    }

    /// <param name="request">What to pack.</param>
    /// <param name="history">False: a resized region lies on no grid, and all is zero.</param>
    /// <param name="tensor">Planes.</param>
    private void PackCoefficients(NetworkRequest request, bool history, Span<float> tensor)
    {
        if (!history)
        {
            tensor.Clear();
            return;
        }

        var image = request.Image;
        if (request.Orientation == 1)
        {
            CoefficientPacker.Pack(image.Coefficients, image.BlocksWide, image.BlocksHigh, request.Source, Manifest.Inputs.Dct!.Coefficients, tensor);
            return;
        }

        int wide = request.Source.Width / 8, high = request.Source.Height / 8, count = TurnedCoefficients.Reach(Manifest.Inputs.Dct!.Coefficients, request.Orientation);
        using var stored = TensorPool<float>.Shared.Rent(count * wide * high);
        CoefficientPacker.Pack(image.Coefficients, image.BlocksWide, image.BlocksHigh, request.Source, count, stored.Span);
        TurnedCoefficients.Apply(stored.Span, wide, high, request.Orientation, tensor);
    }

    /// <summary>A plane of the network's as it lies over the source region.</summary>
    private static Plane? TurnBack(Plane? shown, int orientation)
    {
        if (shown is null || orientation == 1)
        {
            return shown;
        }

        var (width, height) = Turning.Size(shown.Width, shown.Height, orientation);
        var stored = Plane.Rent(width, height);
        Turning.Apply<float>(shown.Span, shown.Width, shown.Height, 1, Turning.Inverse(orientation), stored.Span);
        shown.Return();
        return stored;
    }

    /// <summary>Runs grey pictures of the sizes to come: the runtime's first run of a shape allocates, and on a GPU tunes.</summary>
    private void WarmUp(int largestBatch)
    {
        int side = (512 + Manifest.Size.MultipleOf - 1) / Manifest.Size.MultipleOf * Manifest.Size.MultipleOf;
        var (width, height) = Manifest.Size.Fixed ? (Manifest.Size.Width, Manifest.Size.Height) : (side, side);
        for (int batch = 1; batch <= largestBatch; batch *= 2)
        {
            using var tensors = new LocalizerTensors(Manifest, batch, width, height);
            tensors.Clear();

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
