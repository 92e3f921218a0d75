using Microsoft.ML.OnnxRuntime;

namespace Palimpsest.Inference;

/// <summary>Does the network have the tensors its manifest names, with shapes that fit?</summary>
internal static class GraphRules
{
    /// <exception cref="DetectorUnavailableException">It does not; the message names the tensor.</exception>
    public static void Check(ModelManifest manifest, OnnxNetwork network)
    {
        var inputs = manifest.Inputs;
        var pixels = inputs.Pixels!;
        bool planar = pixels.Layout == "nchw";
        var named = new HashSet<string>(StringComparer.Ordinal);
        var (width, height) = manifest.Size.Fixed ? (manifest.Size.Width, manifest.Size.Height) : (-1, -1);
        Demand(pixels.Name, planar ? [0, 3, height, width] : [0, height, width, 3], pixels.IsBytes ? typeof(byte) : typeof(float));
        if (inputs.Dct is { } dct)
        {
            Demand(dct.Name, manifest.Size.Fixed ? [0, dct.Coefficients, height / 8, width / 8] : [0, dct.Coefficients, -1, -1]);
        }

        if (inputs.Qtable is { } table)
        {
            Demand(table.Name, [0, 64]);
        }

        string? extra = network.Inputs.Keys.FirstOrDefault(name => !named.Contains(name));
        if (extra is not null)
        {
            throw Mismatch(manifest, $"the network also wants an input '{extra}', which the manifest does not describe");
        }

        foreach (var output in new TensorName?[] { manifest.Outputs.Mask, manifest.Outputs.Score, manifest.Outputs.ActivationMap })
        {
            if (output is not null && !network.Outputs.ContainsKey(output.Name))
            {
                throw Mismatch(manifest, $"the network has no output '{output.Name}', only {string.Join(", ", network.Outputs.Keys)}");
            }
        }

        // 0: any size. −1: must be dynamic. Else: that size, or dynamic.
        void Demand(string name, int[] shape, Type? type = null)
        {
            named.Add(name);
            if (!network.Inputs.TryGetValue(name, out NodeMetadata? input))
            {
                throw Mismatch(manifest, $"the network has no input '{name}', only {string.Join(", ", network.Inputs.Keys)}");
            }

            type ??= typeof(float);
            if (input.ElementType != type)
            {
                throw Mismatch(manifest, $"input '{name}' takes {input.ElementType.Name}, not {(type == typeof(byte) ? "bytes, as its type uint8 says" : "32-bit floats")}");
            }

            int[] actual = input.Dimensions;
            bool fits = actual.Length == shape.Length && actual.Zip(shape).All(d => d.First < 0 || d.Second == 0 || d.Second == d.First);
            if (!fits)
            {
                throw Mismatch(manifest, $"input '{name}' has the shape {Text(actual)}, the manifest says {Text(shape)}");
            }
        }
    }

    private static string Text(int[] shape) => string.Join('×', shape.Select(d => d <= 0 ? "N" : $"{d}"));

    private static DetectorUnavailableException Mismatch(ModelManifest manifest, string what) => new($"The model {manifest.Name} does not fit its manifest: {what}.");
}
