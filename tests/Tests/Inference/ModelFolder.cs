using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

/// <summary>A folder of toy models with manifests, gone after the test.</summary>
internal sealed class ModelFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("models").FullName;

    /// <summary>A native-resolution localizer: mask = sigmoid of a 5×5 convolution (the mean of red, ×20 − 10) at a quarter of the size; of floats N×3×H×W, or of bytes N×H×W×3.</summary>
    public static byte[] RedFinder(bool ofBytes = false)
    {
        float[] kernel = new float[3 * 25];
        Array.Fill(kernel, (ofBytes ? 20f / 255 : 20f) / 25, 0, 25);
        var graph = ofBytes
            ? new ToyOnnx().ByteInput("pixels", "n", "h", "w", 3)
                .Node("Cast", ["pixels"], ["floats"], ("to", 1)).Node("Transpose", ["floats"], ["planes"], ("perm", new long[] { 0, 3, 1, 2 }))
            : new ToyOnnx().Input("pixels", "n", 3, "h", "w");
        return graph.Output("mask", "n", 1, "mh", "mw").Output("score", "n", 1)
            .Constant("kernel", [1, 3, 5, 5], kernel).Constant("bias", [1], -10)
            .Node("Conv", [ofBytes ? "planes" : "pixels", "kernel", "bias"], ["logits"], ("strides", new long[] { 4, 4 }), ("pads", new long[] { 2, 2, 2, 2 }))
            .Node("Sigmoid", ["logits"], ["mask"])
            .Node("ReduceMax", ["mask"], ["score"], ("axes", new long[] { 2, 3 }), ("keepdims", 0))
            .ToBytes();
    }

    public static JsonObject Manifest(string detector = "shallowfake", string name = "toy") => new()
    {
        ["name"] = name,
        ["version"] = "1.0.0",
        ["detector"] = detector,
        ["inputs"] = new JsonObject { ["pixels"] = new JsonObject { ["name"] = "pixels" } },
        ["outputs"] = new JsonObject { ["mask"] = new JsonObject { ["name"] = "mask" }, ["score"] = new JsonObject { ["name"] = "score" } },
    };

    /// <summary>Writes a network and its manifest, whose hash is the network's unless it states one.</summary>
    public ModelFolder Add(string file, byte[] network, JsonObject manifest)
    {
        File.WriteAllBytes(System.IO.Path.Combine(Path, file + ".onnx"), network);
        manifest["file"] ??= file + ".onnx";
        manifest["sha256"] ??= Convert.ToHexStringLower(SHA256.HashData(network));
        File.WriteAllText(System.IO.Path.Combine(Path, file + ".json"), manifest.ToJsonString());
        return this;
    }

    public InferenceOptions Options() => new() { Models = Path, Provider = ExecutionProviders.Cpu, Threads = 1 };

    public ModelDetector Load(string detector = "shallowfake", InferenceOptions? options = null)
    {
        var loaded = new ModelDetector(detector, options ?? Options(), TimeProvider.System, NullLogger<ModelDetector>.Instance);
        loaded.Load();
        return loaded;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
