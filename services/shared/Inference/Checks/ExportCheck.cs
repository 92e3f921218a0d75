using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Contracts;

namespace Palimpsest.Inference;

/// <summary>
/// Does the exported network give in our runtime what it gave in training? <c>training/export_onnx.py --check FOLDER</c> writes cases
/// (<c>check.json</c>, <c>NAME.in.INPUT.npy</c>, <c>NAME.out.OUTPUT.npy</c>); this runs them through <see cref="OnnxNetwork"/> and compares.
/// </summary>
public static class ExportCheck
{
    /// <summary>Runs every case.</summary>
    /// <param name="model">The ONNX file.</param>
    /// <param name="folder">The reference cases.</param>
    /// <param name="options">Provider and threads; null: the CPU.</param>
    /// <param name="writeTo">Folder for our outputs under the same names, for <c>export_onnx.py --compare</c>; null: none.</param>
    /// <exception cref="InvalidDataException">A case cannot be read or does not fit.</exception>
    /// <exception cref="DetectorUnavailableException">The network cannot be loaded.</exception>
    /// <exception cref="InferenceException">The network failed on a case.</exception>
    public static ExportCheckResult Run(string model, string folder, InferenceOptions? options = null, string? writeTo = null)
    {
        var listing = JsonSerializer.Deserialize<Listing>(File.ReadAllBytes(Path.Combine(folder, "check.json")), PlatformJson.Options)
            ?? throw new InvalidDataException("check.json is empty.");
        using var network = new OnnxNetwork(
            Path.GetFileNameWithoutExtension(model), File.ReadAllBytes(model), options ?? new InferenceOptions { Provider = ExecutionProviders.Cpu }, NullLogger.Instance);
        var differences = new List<ExportDifference>();
        foreach (var item in listing.Cases)
        {
            var inputs = item.Inputs.Keys.ToDictionary(name => name, name => NpyFile.Read(Path.Combine(folder, $"{item.Name}.in.{name}.npy")));
            var outputs = network.RunRaw(inputs);
            foreach (string name in item.Outputs.Keys)
            {
                var expected = NpyFile.Read(Path.Combine(folder, $"{item.Name}.out.{name}.npy"));
                var actual = outputs.GetValueOrDefault(name) ?? throw new InvalidDataException($"The network has no output '{name}'.");
                differences.Add(new ExportDifference(item.Name, name, Difference(expected, actual, item.Name, name)));
                if (writeTo is not null)
                {
                    NpyFile.Write(Path.Combine(Directory.CreateDirectory(writeTo).FullName, $"{item.Name}.out.{name}.npy"), actual);
                }
            }
        }

        return differences.Count > 0 ? new ExportCheckResult(differences, listing.Tolerance) : throw new InvalidDataException("check.json lists no outputs to compare.");
    }

    private static double Difference(Tensor expected, Tensor actual, string item, string name)
    {
        if (!expected.Shape.SequenceEqual(actual.Shape))
        {
            throw new InvalidDataException($"{item} {name}: shape {string.Join('×', actual.Shape)}, expected {string.Join('×', expected.Shape)}.");
        }

        return expected.Values.Zip(actual.Values).Max(pair => Math.Abs((double)pair.First - pair.Second));
    }

    private sealed record Listing
    {
        public double Tolerance { get; init; } = 1e-3;

        public required IReadOnlyList<Case> Cases { get; init; }
    }

    private sealed record Case
    {
        public required string Name { get; init; }

        public required IReadOnlyDictionary<string, long[]> Inputs { get; init; }

        public required IReadOnlyDictionary<string, long[]> Outputs { get; init; }
    }
}

/// <summary>Largest absolute difference of one output in one case.</summary>
/// <param name="Case">Case name.</param>
/// <param name="Output">Output name.</param>
/// <param name="Maximum">Largest absolute difference.</param>
public sealed record ExportDifference(string Case, string Output, double Maximum);

/// <summary>All differences.</summary>
/// <param name="Differences">One for each case and output.</param>
/// <param name="Tolerance">What the training script allows.</param>
public sealed record ExportCheckResult(IReadOnlyList<ExportDifference> Differences, double Tolerance)
{
    /// <summary>The largest of all.</summary>
    public double Maximum => Differences.Max(difference => difference.Maximum);

    /// <summary>True when nothing differs by more than the tolerance.</summary>
    public bool Passed => Maximum <= Tolerance;

    /// <summary>One line for each output, then the largest difference.</summary>
    public void WriteTo(TextWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        foreach (var difference in Differences)
        {
            writer.WriteLine($"{difference.Case} {difference.Output}: {difference.Maximum:0.00e+00}");
        }

        writer.WriteLine($"maximum difference {Maximum:0.00e+00}, allowed {Tolerance:0.00e+00}: {(Passed ? "passed" : "FAILED")}");
    }
}
