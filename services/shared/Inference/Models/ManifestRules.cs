using Palimpsest.Contracts;

namespace Palimpsest.Inference;

/// <summary>What a manifest must satisfy beyond its JSON shape.</summary>
internal static class ManifestRules
{
    public const string Router = "router";

    public static IEnumerable<string> Check(ModelManifest manifest)
    {
        bool router = manifest.Detector == Router;
        return Identity(manifest).Concat(router ? RouterRules(manifest) : LocalizerRules(manifest));
    }

    private static IEnumerable<string> Identity(ModelManifest m)
    {
        if (string.IsNullOrWhiteSpace(m.Name) || string.IsNullOrWhiteSpace(m.Version))
        {
            yield return "name and version must not be empty";
        }

        if (m.Detector != Router && !DetectorNames.All.Contains(m.Detector))
        {
            yield return $"detector is '{m.Detector}', must be {string.Join(", ", DetectorNames.All)} or {Router}";
        }

        // The network lies beside its manifest: a path could reach any file of the machine.
        if (m.File.Length == 0 || m.File != Path.GetFileName(m.File) || m.File is "." or "..")
        {
            yield return $"file is '{m.File}', must be a plain file name";
        }

        if (m.Sha256.Length != 64 || !m.Sha256.All(char.IsAsciiHexDigit))
        {
            yield return "sha256 must be 64 hex digits";
        }

        if (m.Threshold is not (>= 0 and <= 1))
        {
            yield return "threshold must be within 0..1";
        }
    }

    private static IEnumerable<string> RouterRules(ModelManifest m)
    {
        if (m.Features is not { } features)
        {
            yield return "a router needs features";
        }
        else if (!features.Classes.Order(StringComparer.Ordinal).SequenceEqual(DetectorNames.All.Order(StringComparer.Ordinal)))
        {
            yield return $"features.classes must be {string.Join(" and ", DetectorNames.All)}, in the model's order";
        }
    }

    private static IEnumerable<string> LocalizerRules(ModelManifest m)
    {
        if (m.Outputs.Mask is null && m.Outputs.Score is null)
        {
            yield return "outputs must name a mask or a score";
        }

        foreach (var (field, output) in new[] { ("mask", m.Outputs.Mask), ("score", m.Outputs.Score), ("activation_map", m.Outputs.ActivationMap) })
        {
            if (output is not null && output.Activation is not ("none" or "sigmoid" or "softmax"))
            {
                yield return $"outputs.{field}.activation is '{output.Activation}', must be none, sigmoid or softmax";
            }
        }

        foreach (string problem in Pixels(m.Inputs).Concat(Sizes(m)))
        {
            yield return problem;
        }
    }

    private static IEnumerable<string> Pixels(ModelInputs inputs)
    {
        if (inputs.Pixels is not { } pixels)
        {
            yield return "inputs.pixels is missing";
            yield break;
        }

        if (pixels.Layout is not ("nchw" or "nhwc"))
        {
            yield return $"inputs.pixels.layout is '{pixels.Layout}', must be nchw or nhwc";
        }

        if (pixels.Type is not ("float32" or "uint8"))
        {
            yield return $"inputs.pixels.type is '{pixels.Type}', must be float32 or uint8";
        }

        if (pixels.IsBytes && (pixels.Layout != "nhwc" || pixels.Channels != "rgb"))
        {
            yield return "inputs.pixels of type uint8 must have the layout nhwc and the channels rgb";
        }

        if (pixels.Channels is not ("rgb" or "bgr"))
        {
            yield return $"inputs.pixels.channels is '{pixels.Channels}', must be rgb or bgr";
        }

        if (pixels.Mean.Count != 3 || pixels.Std.Count != 3 || !pixels.Mean.Concat(pixels.Std).All(double.IsFinite) || pixels.Std.Contains(0))
        {
            yield return "inputs.pixels.mean and std must be three finite numbers, std not 0";
        }

        if (!double.IsFinite(pixels.Scale) || pixels.Scale == 0)
        {
            yield return "inputs.pixels.scale must be a finite number other than 0";
        }

        if (inputs.Dct is { Coefficients: < 1 or > 64 })
        {
            yield return "inputs.dct.coefficients must be within 1..64";
        }
    }

    private static IEnumerable<string> Sizes(ModelManifest m)
    {
        var (size, tiling) = (m.Size, m.Tiling);
        if (size.Width < 0 || size.Height < 0 || (size.Width == 0) != (size.Height == 0) || size.Width > 8192 || size.Height > 8192)
        {
            yield return "size.width and height must both be 0 (native) or both within 1..8192";
        }

        if (size.MultipleOf is < 1 or > 512)
        {
            yield return "size.multiple_of must be within 1..512";
        }

        bool wholeBlocks = m.Face is { } face
            ? face.Native > 0 && size.Width % 8 == 0 && size.Height % 8 == 0
            : !size.Fixed && size.MultipleOf % 8 == 0;
        if (m.Inputs.Dct is not null && !wholeBlocks)
        {
            yield return "inputs.dct needs native resolution with size.multiple_of a multiple of 8, or face.native with a size of multiples of 8";
        }

        if (m.Face is { Native: not (0 or (>= 1 and <= 8)) })
        {
            yield return "face.native must be 0 or within 1..8";
        }

        if (m.Face is { Margin: not (>= 0.5 and <= 8) })
        {
            yield return "face.margin must be within 0.5..8";
        }

        if (m.Face is not null && !size.Fixed)
        {
            yield return "face crops need a fixed size";
        }

        if (!size.Fixed && (tiling.MaxPixels < 4096 || tiling.Tile < 64 || tiling.Tile % 8 != 0 || tiling.Tile % Math.Max(1, size.MultipleOf) != 0
            || tiling.Overlap < 0 || tiling.Overlap > tiling.Tile / 2))
        {
            yield return "tiling: max_pixels at least 4096, tile at least 64 and a multiple of 8 and of multiple_of, overlap 0..tile/2";
        }
    }
}
