using System.Diagnostics;
using Microsoft.ML.OnnxRuntime;
using Palimpsest.Contracts;
using Palimpsest.Inference;

namespace Palimpsest.Bench;

/// <summary>The shallowfake network alone in ONNX Runtime, with the same threads as serving: the most a platform around it could reach.</summary>
internal static class RawEngine
{
    public static (double ImagesPerSecond, ModelIdentity Model) Measure(double seconds)
    {
        var loaded = new ModelCatalog(new InferenceOptions()).Load(DetectorNames.Shallowfake);
        using var options = new SessionOptions { IntraOpNumThreads = Environment.ProcessorCount };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");
        using var session = new InferenceSession(loaded.Network, options);
        var inputs = session.InputMetadata.ToDictionary(
            input => input.Key, input => Tensor([.. Shape(input.Key, loaded.Manifest)]), StringComparer.Ordinal);
        using var run = new RunOptions();
        for (int i = 0; i < 3; i++)
        {
            using var warm = session.Run(run, inputs, session.OutputNames);
        }

        long start = Stopwatch.GetTimestamp();
        int count = 0;
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds)
        {
            using var outputs = session.Run(run, inputs, session.OutputNames);
            count++;
        }

        double elapsed = Stopwatch.GetElapsedTime(start).TotalSeconds;
        foreach (var value in inputs.Values)
        {
            value.Dispose();
        }

        return (count / elapsed, loaded.Manifest.Identity);
    }

    private static long[] Shape(string input, ModelManifest manifest)
    {
        const int width = BenchPictures.Width, height = BenchPictures.Height;
        return input == manifest.Inputs.Pixels?.Name ? [1, 3, height, width]
            : input == manifest.Inputs.Dct?.Name ? [1, manifest.Inputs.Dct!.Coefficients, height / 8, width / 8]
            : [1, 64];
    }

    private static OrtValue Tensor(long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
#pragma warning disable CA5394 // any values will do
        var random = new Random(1);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = shape.Length == 2 ? 10 : shape[1] == 3 ? random.NextSingle() : random.Next(-3, 4);
        }
#pragma warning restore CA5394

        return OrtValue.CreateTensorValueFromMemory(values, shape);
    }
}
