namespace Palimpsest.Inference;

/// <summary>The input tensors of one batch, in pooled memory.</summary>
internal sealed class LocalizerTensors : IDisposable
{
    private readonly TensorPool.Buffer pixels;
    private readonly TensorPool.Buffer? coefficients;
    private readonly TensorPool.Buffer? tables;
    private readonly int pixelLength;
    private readonly int coefficientLength;

    public LocalizerTensors(ModelManifest manifest, int batch, int width, int height)
    {
        var inputs = new List<NetworkInput>(3);
        pixelLength = 3 * width * height;
        pixels = TensorPool.Shared.Rent(batch * pixelLength);
        var input = manifest.Inputs.Pixels!;
        inputs.Add(new NetworkInput(input.Name, pixels.Memory, input.Layout == "nchw" ? [batch, 3, height, width] : [batch, height, width, 3]));
        if (manifest.Inputs.Dct is { } dct)
        {
            coefficientLength = dct.Coefficients * (width / 8) * (height / 8);
            coefficients = TensorPool.Shared.Rent(batch * coefficientLength);
            inputs.Add(new NetworkInput(dct.Name, coefficients.Value.Memory, [batch, dct.Coefficients, height / 8, width / 8]));
        }

        if (manifest.Inputs.Qtable is { } table)
        {
            tables = TensorPool.Shared.Rent(batch * 64);
            inputs.Add(new NetworkInput(table.Name, tables.Value.Memory, [batch, 64]));
        }

        Inputs = inputs;
    }

    public IReadOnlyList<NetworkInput> Inputs { get; }

    public Span<float> Pixels(int item) => pixels.Span.Slice(item * pixelLength, pixelLength);

    public Span<float> Coefficients(int item) => coefficients!.Value.Span.Slice(item * coefficientLength, coefficientLength);

    public Span<float> Table(int item) => tables!.Value.Span.Slice(item * 64, 64);

    public void Dispose()
    {
        pixels.Dispose();
        coefficients?.Dispose();
        tables?.Dispose();
    }
}
