namespace Palimpsest.Inference;

/// <summary>Turns a network's outputs into probabilities and planes, item by item, as the manifest describes them.</summary>
internal sealed class OutputReader
{
    private const double Slack = 0.01;

    private readonly ModelManifest manifest;
    private readonly int mask = -1, score = -1, activation = -1;

    public OutputReader(ModelManifest manifest)
    {
        this.manifest = manifest;
        var names = new List<string>();
        mask = Add(manifest.Outputs.Mask);
        score = Add(manifest.Outputs.Score);
        activation = Add(manifest.Outputs.ActivationMap);
        Names = names;

        int Add(OutputTensor? output)
        {
            if (output is null)
            {
                return -1;
            }

            names.Add(output.Name);
            return names.Count - 1;
        }
    }

    /// <summary>Outputs to ask for.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Splits a batch's outputs.</summary>
    /// <exception cref="InferenceException">A shape does not fit, or a value is no probability.</exception>
    public IReadOnlyList<NetworkAnswer> Read(NetworkOutputs outputs, int batch)
    {
        var answers = new NetworkAnswer[batch];
        for (int i = 0; i < batch; i++)
        {
            var plane = mask < 0 ? null : ReadPlane(outputs, mask, manifest.Outputs.Mask!, batch, i);
            double value = score < 0 ? FromMask(plane!) : ReadScore(outputs, batch, i);
            Demand(plane);
            answers[i] = new NetworkAnswer(Probability(value, "score"), plane, activation < 0 ? null : ReadPlane(outputs, activation, manifest.Outputs.ActivationMap!, batch, i));
        }

        return answers;
    }

    /// <summary>A network without a score: the mean of its mask's highest hundredth, at least 16 values.</summary>
    internal static double FromMask(Plane plane)
    {
        float[] sorted = plane.Span.ToArray();
        Array.Sort(sorted);
        int count = Math.Min(sorted.Length, Math.Max(16, sorted.Length / 100));
        return sorted.AsSpan(sorted.Length - count).ToArray().Average();
    }

    private double ReadScore(NetworkOutputs outputs, int batch, int item)
    {
        var values = outputs.Values(score);
        int width = values.Length / batch;
        var own = values.Slice(item * width, width);
        return manifest.Outputs.Score!.Activation switch
        {
            "softmax" when width == 2 => Sigmoid(own[1] - own[0]),
            "sigmoid" when width == 1 => Sigmoid(own[0]),
            "none" when width is 1 or 2 => own[^1],
            _ => throw Shape(manifest.Outputs.Score.Name, outputs.Shape(score)),
        };
    }

    /// <summary>N×C×h×w, N×h×w×C or N×h×w with C 1, or 2 for softmax.</summary>
    private static Plane ReadPlane(NetworkOutputs outputs, int index, OutputTensor output, int batch, int item)
    {
        long[] shape = outputs.Shape(index);
        int channels = output.Activation == "softmax" ? 2 : 1;
        var (height, width, interleaved) = shape switch
        {
            [_, var h, var w] when channels == 1 => ((int)h, (int)w, false),
            [_, var c, var h, var w] when c == channels => ((int)h, (int)w, false),
            [_, var h, var w, var c] when c == channels => ((int)h, (int)w, true),
            _ => throw Shape(output.Name, shape),
        };
        if (shape[0] != batch || height < 1 || width < 1)
        {
            throw Shape(output.Name, shape);
        }

        int size = height * width;
        var own = outputs.Values(index).Slice(item * size * channels, size * channels);
        var plane = Plane.Rent(width, height);
        var values = plane.Span;
        for (int i = 0; i < size; i++)
        {
            values[i] = output.Activation switch
            {
                "sigmoid" => (float)Sigmoid(own[i]),
                "softmax" => (float)(interleaved ? Sigmoid(own[(2 * i) + 1] - own[2 * i]) : Sigmoid(own[size + i] - own[i])),
                _ => own[i],
            };
        }

        return plane;
    }

    private void Demand(Plane? plane)
    {
        if (plane is null)
        {
            return;
        }

        foreach (ref float value in plane.Span)
        {
            value = (float)Probability(value, "mask");
        }
    }

    /// <summary>A value far outside 0..1 is a logit whose manifest forgot to say so; showing it as a probability would be a lie.</summary>
    private double Probability(double value, string output) => value is >= -Slack and <= 1 + Slack
        ? Math.Clamp(value, 0, 1)
        : throw new InferenceException($"The {output} of {manifest.Name} is {value:0.###}, not a probability: its manifest may need activation sigmoid or softmax.");

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static InferenceException Shape(string name, long[] shape) => new($"Output {name} has the unexpected shape {string.Join('×', shape)}.");
}
