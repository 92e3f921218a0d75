using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Palimpsest.Contracts;

namespace Palimpsest.Inference;

/// <summary>
/// A model's card and wiring, <c>models/NAME.json</c> beside <c>models/NAME.onnx</c>: what the network takes, what it gives, what it is made for.
/// A user's own ONNX localizer plugs in by such a file alone.
/// </summary>
public sealed record ModelManifest
{
    /// <summary>Name on the card.</summary>
    public required string Name { get; init; }

    /// <summary>Version on the card.</summary>
    public required string Version { get; init; }

    /// <summary>shallowfake, deepfake or router.</summary>
    public required string Detector { get; init; }

    /// <summary>File name of the network, in the manifest's folder.</summary>
    public required string File { get; init; }

    /// <summary>SHA-256 of that file, hex.</summary>
    public required string Sha256 { get; init; }

    /// <summary>Input tensors of a localizer.</summary>
    public ModelInputs Inputs { get; init; } = new();

    /// <summary>Input size; all zero: native resolution.</summary>
    public ModelSize Size { get; init; } = new();

    /// <summary>How pictures above a limit are cut; only for native-resolution networks.</summary>
    public ModelTiling Tiling { get; init; } = new();

    /// <summary>Present when the network looks at face crops.</summary>
    public ModelFace? Face { get; init; }

    /// <summary>Output tensors of a localizer; at least one.</summary>
    public ModelOutputs Outputs { get; init; } = new();

    /// <summary>Router only: what it takes and gives.</summary>
    public RouterWiring? Features { get; init; }

    /// <summary>Decision threshold on the uncalibrated score.</summary>
    public double Threshold { get; init; } = 0.5;

    /// <summary>Kinds of manipulation it is made for.</summary>
    public IReadOnlyList<string> Synthesis { get; init; } = [];

    /// <summary>The model card: summary, data, licences, recipe, metrics, limitations.</summary>
    public JsonObject? Card { get; init; }

    /// <summary>Fields this version does not know; reported, never obeyed.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Unknown { get; init; }

    /// <summary>The identity that reports carry.</summary>
    [JsonIgnore]
    public ModelIdentity Identity => new() { Name = Name, Version = Version, Sha256 = Sha256.ToLowerInvariant() };

    // A field that must be there may not be null either: people write these files.
    private static readonly JsonSerializerOptions Strict = new(PlatformJson.Options) { RespectNullableAnnotations = true };

    /// <summary>Reads and validates a manifest.</summary>
    /// <exception cref="InvalidDataException">Not valid; the message names the field and what is wrong with it.</exception>
    public static ModelManifest Parse(ReadOnlySpan<byte> json)
    {
        ModelManifest manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<ModelManifest>(json, Strict) ?? throw new InvalidDataException("The manifest is empty.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"The manifest cannot be read: {e.Message}", e);
        }

        var problems = ManifestRules.Check(manifest).ToList();
        return problems.Count == 0 ? manifest : throw new InvalidDataException($"The manifest is not valid: {string.Join("; ", problems)}.");
    }
}

/// <summary>Input tensors of a network.</summary>
public sealed record ModelInputs
{
    /// <summary>The picture; required for localizers.</summary>
    public PixelInput? Pixels { get; init; }

    /// <summary>Quantised luminance DCT coefficients N×K×H/8×W/8, zero without JPEG history.</summary>
    public CoefficientInput? Dct { get; init; }

    /// <summary>Luminance quantisation table N×64, zigzag order, zero without JPEG history.</summary>
    public TensorName? Qtable { get; init; }
}

/// <summary>A tensor by name.</summary>
public record TensorName
{
    /// <summary>Name in the ONNX graph.</summary>
    public required string Name { get; init; }
}

/// <summary>How bytes become the pixel tensor: value = (byte · scale − mean[c]) / std[c]; or the bytes as they are.</summary>
public sealed record PixelInput : TensorName
{
    /// <summary>float32, or uint8: N×H×W×3 RGB bytes, which the network scales itself. A quarter of the memory, and nothing to compute.</summary>
    public string Type { get; init; } = "float32";

    /// <summary>The network takes bytes.</summary>
    [JsonIgnore]
    public bool IsBytes => Type == "uint8";

    /// <summary>nchw (N×3×H×W) or nhwc (N×H×W×3).</summary>
    public string Layout { get; init; } = "nchw";

    /// <summary>rgb or bgr.</summary>
    public string Channels { get; init; } = "rgb";

    /// <summary>Factor on bytes 0..255.</summary>
    public double Scale { get; init; } = 1.0 / 255;

    /// <summary>Subtracted after scaling, in the order of <see cref="Channels"/>.</summary>
    public IReadOnlyList<double> Mean { get; init; } = [0, 0, 0];

    /// <summary>Divisor, in the order of <see cref="Channels"/>.</summary>
    public IReadOnlyList<double> Std { get; init; } = [1, 1, 1];
}

/// <summary>Coefficient tensor.</summary>
public sealed record CoefficientInput : TensorName
{
    /// <summary>K: how many zigzag positions, 1..64.</summary>
    public int Coefficients { get; init; } = 28;
}

/// <summary>Size of the network's input.</summary>
public sealed record ModelSize
{
    /// <summary>Pixels; 0: native.</summary>
    public int Width { get; init; }

    /// <summary>Pixels; 0: native.</summary>
    public int Height { get; init; }

    /// <summary>Native sizes are padded to multiples of this by repeating the right and bottom edge.</summary>
    public int MultipleOf { get; init; } = 8;

    /// <summary>True when pictures are resized to <see cref="Width"/>×<see cref="Height"/>.</summary>
    [JsonIgnore]
    public bool Fixed => Width > 0;
}

/// <summary>Overlapping tiles for large pictures, corners at multiples of 8 so that JPEG blocks stay whole.</summary>
public sealed record ModelTiling
{
    /// <summary>Pictures with more pixels are tiled.</summary>
    public long MaxPixels { get; init; } = 4L << 20;

    /// <summary>Side of a tile, pixels, a multiple of 8 and of multiple_of.</summary>
    public int Tile { get; init; } = 1024;

    /// <summary>Least overlap of neighbours, pixels.</summary>
    public int Overlap { get; init; } = 128;
}

/// <summary>Face crops.</summary>
public sealed record ModelFace
{
    /// <summary>Side of the crop ÷ longer side of the face box.</summary>
    public double Margin { get; init; } = 1.5;

    /// <summary>
    /// 0: every crop is resized. Else a face whose longer box side times this fits the network's input is shown at the picture's own pixels
    /// instead: a window of the input's size around it, on the 8×8 grid of the file's JPEG, with the file's coefficients where the network takes them.
    /// </summary>
    public double Native { get; init; }
}

/// <summary>Output tensors of a network; those absent are derived or left out.</summary>
public sealed record ModelOutputs
{
    /// <summary>Manipulation probability N×1×h×w (or N×2×h×w with softmax), any h and w proportional to the input's.</summary>
    public OutputTensor? Mask { get; init; }

    /// <summary>Image-level probability N×1 (or N×2 with softmax). Absent: the mean of the mask's highest hundredth.</summary>
    public OutputTensor? Score { get; init; }

    /// <summary>Class-activation map of the detection head N×1×h×w, not negative.</summary>
    public OutputTensor? ActivationMap { get; init; }
}

/// <summary>A router's tensors.</summary>
public sealed record RouterWiring
{
    /// <summary>Definition of the features, e.g. router-features/1.</summary>
    public required string Version { get; init; }

    /// <summary>Length of the feature vector.</summary>
    public required int Count { get; init; }

    /// <summary>Name of the input N×Count.</summary>
    public string Input { get; init; } = "features";

    /// <summary>Name of the output N×2.</summary>
    public string Probabilities { get; init; } = "probabilities";

    /// <summary>What the two probabilities stand for: shallowfake and deepfake, in the model's order.</summary>
    public IReadOnlyList<string> Classes { get; init; } = DetectorNames.All;
}

/// <summary>An output tensor and what makes it a probability.</summary>
public sealed record OutputTensor : TensorName
{
    /// <summary>none: it is one already; sigmoid: it is a logit; softmax: two channels, the second is "manipulated".</summary>
    public string Activation { get; init; } = "none";
}
