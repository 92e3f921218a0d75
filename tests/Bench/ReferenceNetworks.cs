using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Palimpsest.Tests.Inference;

namespace Palimpsest.Bench;

/// <summary>
/// Models folders whose localizers cost what we choose: a chain of convolutions at an eighth of the picture's size, as long as it takes to the wanted time. A slow network flatters
/// everything around it; these do not. The router and the face finder stay the shipped ones.
/// </summary>
internal static class ReferenceNetworks
{
    private const int Channels = 16;

    /// <summary>A folder whose localizers take about this long on one core for pictures of this size; 0: as little as a network can.</summary>
    public static string Create(string folder, double milliseconds, Pictures pictures)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in new[] { "router.json", "router.onnx" })
        {
            File.Copy(Path.Combine(Shipped, file), Path.Combine(folder, file), overwrite: true);
        }

        byte[] network = milliseconds > 0 ? OfTime(milliseconds, pictures) : Chain(0);
        foreach (string detector in Palimpsest.Contracts.DetectorNames.All)
        {
            File.WriteAllBytes(Path.Combine(folder, detector + ".onnx"), network);
            File.WriteAllText(Path.Combine(folder, detector + ".json"), new JsonObject
            {
                ["name"] = "reference-" + detector,
                ["version"] = "1.0.0",
                ["detector"] = detector,
                ["file"] = detector + ".onnx",
                ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(network)),
                ["inputs"] = new JsonObject { ["pixels"] = new JsonObject { ["name"] = "pixels" } },
                ["outputs"] = new JsonObject { ["mask"] = new JsonObject { ["name"] = "mask" }, ["score"] = new JsonObject { ["name"] = "score" } },
            }.ToJsonString());
        }

        return folder;
    }

    /// <summary>Our own models folder.</summary>
    public static string Shipped => Environment.GetEnvironmentVariable("PALIMPSEST_MODELS") is { Length: > 0 } set ? set : Palimpsest.Inference.ModelCatalog.DefaultFolder;

    private static byte[] OfTime(double milliseconds, Pictures pictures)
    {
        long[] Shape(string name) => [1, 3, pictures.Height, pictures.Width];
        double few = RawEngine.Milliseconds(Chain(4), Shape, 9), many = RawEngine.Milliseconds(Chain(24), Shape, 9);
        return Chain(Math.Max(1, 4 + (int)Math.Round((milliseconds - few) / ((many - few) / 20))));
    }

    /// <summary>pixels N×3×H×W → mask N×1×H/8×W/8 and its highest value as the score.</summary>
    private static byte[] Chain(int length)
    {
        var graph = new ToyOnnx().Input("pixels", "n", 3, "h", "w").Output("mask", "n", 1, "mh", "mw").Output("score", "n", 1)
            .Constant("k0", [Channels, 3, 8, 8], Weights(Channels * 3 * 64, 3 * 64)).Constant("kn", [1, Channels, 1, 1], Weights(Channels, Channels)).Constant("bn", [1], -4)
            .Node("Conv", ["pixels", "k0"], ["x0"], ("strides", new long[] { 8, 8 }), ("kernel_shape", new long[] { 8, 8 }));
        for (int i = 0; i < length; i++)
        {
            graph.Constant($"c{i}", [Channels, Channels, 3, 3], Weights(Channels * Channels * 9, Channels * 9))
                .Node("Conv", [$"x{i}", $"c{i}"], [$"y{i}"], ("pads", new long[] { 1, 1, 1, 1 })).Node("Relu", [$"y{i}"], [$"x{i + 1}"]);
        }

        return graph.Node("Conv", [$"x{length}", "kn", "bn"], ["logits"]).Node("Sigmoid", ["logits"], ["mask"])
            .Node("ReduceMax", ["mask"], ["score"], ("axes", new long[] { 2, 3 }), ("keepdims", 0)).ToBytes();
    }

    private static float[] Weights(int count, int inputs)
    {
#pragma warning disable CA5394 // weights of nothing
        var random = new Random(count);
        return [.. Enumerable.Range(0, count).Select(_ => (random.NextSingle() - 0.5f) * MathF.Sqrt(24f / inputs))];
#pragma warning restore CA5394
    }
}
