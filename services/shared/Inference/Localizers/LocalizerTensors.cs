namespace Palimpsest.Inference;

/// <summary>The input tensors of one batch, in pooled memory.</summary>
internal sealed class LocalizerTensors : IDisposable
{
    private readonly TensorPool<float>.Buffer? pixels;
    private readonly TensorPool<byte>.Buffer? bytes;
    private readonly TensorPool<float>.Buffer? coefficients;
    private readonly TensorPool<float>.Buffer? tables;
    private readonly int pixelLength;
    private readonly int coefficientLength;

    public LocalizerTensors(ModelManifest manifest, int batch, int width, int height)
    {
        var inputs = new List<NetworkInput>(3);
        pixelLength = 3 * width * height;
        var input = manifest.Inputs.Pixels!;
        long[] shape = input.Layout == "nchw" ? [batch, 3, height, width] : [batch, height, width, 3];
        if (input.IsBytes)
        {
            bytes = TensorPool<byte>.Shared.Rent(batch * pixelLength);
            inputs.Add(new NetworkInput(input.Name, bytes.Value.Memory, shape));
        }
        else
        {
            pixels = TensorPool<float>.Shared.Rent(batch * pixelLength);
            inputs.Add(new NetworkInput(input.Name, pixels.Value.Memory, shape));
        }

        if (manifest.Inputs.Dct is { } dct)
        {
            coefficientLength = dct.Coefficients * (width / 8) * (height / 8);
            coefficients = TensorPool<float>.Shared.Rent(batch * coefficientLength);
            inputs.Add(new NetworkInput(dct.Name, coefficients.Value.Memory, [batch, dct.Coefficients, height / 8, width / 8]));
        }

        if (manifest.Inputs.Qtable is { } table)
        {
            tables = TensorPool<float>.Shared.Rent(batch * 64);
            inputs.Add(new NetworkInput(table.Name, tables.Value.Memory, [batch, 64]));
        }

        Inputs = inputs;
    }

    public IReadOnlyList<NetworkInput> Inputs { get; }

    public Span<float> Pixels(int item) => pixels!.Value.Span.Slice(item * pixelLength, pixelLength);

    public Span<byte> Bytes(int item) => bytes!.Value.Span.Slice(item * pixelLength, pixelLength);

    public void Clear()
    {
        pixels?.Span.Clear();
        bytes?.Span.Clear();
        coefficients?.Span.Clear();
        tables?.Span.Clear();
    }

    public Span<float> Coefficients(int item) => coefficients!.Value.Span.Slice(item * coefficientLength, coefficientLength);

    public Span<float> Table(int item) => tables!.Value.Span.Slice(item * 64, 64);

    public void Dispose()
    {
        pixels?.Dispose();
        bytes?.Dispose();
        coefficients?.Dispose();
        tables?.Dispose();
    }
}
