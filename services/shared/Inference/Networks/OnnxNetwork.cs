using System.Numerics;
using Microsoft.Extensions.Logging;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Palimpsest.Inference;

/// <summary>
/// One ONNX network: a single session, shared by concurrent runs. Inputs are wrapped where they lie, outputs stay where the runtime put
/// them until <see cref="NetworkOutputs.Dispose"/>.
/// </summary>
public sealed class OnnxNetwork : IDisposable
{
    /// <summary>
    /// A run with more input values than this gives its scratch memory back afterwards, or one large picture would be paid for ever after. Pictures
    /// and tiles up to 2 megapixels stay below: getting their memory anew for each costs 7 % of the run in page faults.
    /// </summary>
    private const long ShrinkAbove = 8L << 20;

    private readonly InferenceSession session;
    private readonly RunOptions ordinary = new();
    private readonly RunOptions shrinking = new();
    private readonly bool callerOnly;

    /// <summary>Loads a network and chooses its execution provider.</summary>
    /// <param name="name">Name on metrics and messages.</param>
    /// <param name="network">The ONNX file.</param>
    /// <param name="options">Provider and thread layout.</param>
    /// <param name="logger">For the provider warning.</param>
    /// <exception cref="DetectorUnavailableException">Not a network, or the demanded provider cannot be used.</exception>
    public OnnxNetwork(string name, byte[] network, InferenceOptions options, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        Name = name;
        Provider = ExecutionProviders.Choose(options.Provider, options.Device, name, logger);
        ConcurrentRuns = ThreadLayout.Runs(options, Provider);
        int threads = ThreadLayout.Threads(options, Provider, ConcurrentRuns);
        callerOnly = threads == 1 && Provider == ExecutionProviders.Cpu;
        using var settings = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
            InterOpNumThreads = 1,
            IntraOpNumThreads = threads,
            // Plans are kept for each input shape and never dropped: with native-size pictures that grows without end.
            EnableMemoryPattern = false,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        settings.AddSessionConfigEntry("session.dynamic_block_base", "4");
        settings.AddSessionConfigEntry("session.intra_op.allow_spinning", options.Spin ? "1" : "0");
        ExecutionProviders.Append(settings, Provider, options.Device);
        try
        {
            // The engine's own threads, if a run has any, inherit what the thread that starts them has.
            session = ThreadNiceness.Run(options.Niceness, () => new InferenceSession(network, settings));
        }
        catch (OnnxRuntimeException e)
        {
            throw new DetectorUnavailableException($"The network {name} cannot be loaded: {e.Message}");
        }

        shrinking.AddRunConfigEntry("memory.enable_memory_arena_shrinkage", Provider == ExecutionProviders.Cpu ? "cpu:0" : $"cpu:0;gpu:{options.Device}");
    }

    /// <summary>Name on metrics and messages.</summary>
    public string Name { get; }

    /// <summary>cpu, cuda or tensorrt.</summary>
    public string Provider { get; }

    /// <summary>How many runs at a time the thread layout is made for.</summary>
    public int ConcurrentRuns { get; }

    /// <summary>Input tensors by name; −1 is a dynamic dimension.</summary>
    public IReadOnlyDictionary<string, NodeMetadata> Inputs => session.InputMetadata;

    /// <summary>Output tensors by name; −1 is a dynamic dimension.</summary>
    public IReadOnlyDictionary<string, NodeMetadata> Outputs => session.OutputMetadata;

    /// <summary>Runs the network.</summary>
    /// <param name="inputs">Tensors by name; their memory is read until this returns.</param>
    /// <param name="outputs">Names of float outputs to compute.</param>
    /// <exception cref="InferenceException">The runtime refused or failed, or an output is not a finite float tensor.</exception>
    public NetworkOutputs Run(IReadOnlyList<NetworkInput> inputs, IReadOnlyList<string> outputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var values = new List<OrtValue>(inputs.Count);
        long start = TimeProvider.System.GetTimestamp();
        double cpu = callerOnly ? ThreadClock.Seconds() : 0;
        try
        {
            long size = 0;
            foreach (var input in inputs)
            {
                values.Add(input.Wrap());
                size += input.Length;
            }

            var names = inputs.Select(input => input.Name).ToArray();
            return new NetworkOutputs(Name, outputs, session.Run(size > ShrinkAbove ? shrinking : ordinary, names, values, outputs));
        }
        catch (OnnxRuntimeException e)
        {
            throw new InferenceException($"The network {Name} failed: {e.Message}", e);
        }
        finally
        {
            values.ForEach(value => value.Dispose());
            InferenceMetrics.Runs.Add(1, InferenceMetrics.Model(Name));
            if (callerOnly)
            {
                InferenceMetrics.NetworkCpu.Add(ThreadClock.Seconds() - cpu, InferenceMetrics.Model(Name));
            }

            InferenceMetrics.NetworkTime.Record(TimeProvider.System.GetElapsedTime(start).TotalSeconds, InferenceMetrics.Model(Name));
        }
    }

    /// <summary>Runs the network on float arrays (whole numbers where it takes bytes) and copies every output: for checks and tools, not for serving.</summary>
    /// <exception cref="InferenceException">As <see cref="Run"/>.</exception>
    public IReadOnlyDictionary<string, Tensor> RunRaw(IReadOnlyDictionary<string, Tensor> inputs)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        var names = Outputs.Where(output => output.Value.ElementDataType == TensorElementType.Float).Select(output => output.Key).ToArray();
        using var outputs = Run([.. inputs.Select(input => Inputs.TryGetValue(input.Key, out var known) && known.ElementDataType == TensorElementType.UInt8
            ? new NetworkInput(input.Key, input.Value.Values.Select(value => (byte)value).ToArray(), input.Value.Shape)
            : new NetworkInput(input.Key, input.Value.Values, input.Value.Shape))], names);
        return names.Select((name, i) => (name, Tensor: new Tensor(outputs.Values(i).ToArray(), outputs.Shape(i)))).ToDictionary(t => t.name, t => t.Tensor);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        session.Dispose();
        ordinary.Dispose();
        shrinking.Dispose();
    }
}

/// <summary>A float tensor.</summary>
/// <param name="Values">Row-major.</param>
/// <param name="Shape">Dimensions.</param>
public sealed record Tensor(float[] Values, long[] Shape);

/// <summary>An input where it lies: floats, or bytes.</summary>
public readonly struct NetworkInput
{
    private readonly Memory<float> floats;
    private readonly Memory<byte>? bytes;
    private readonly long[] shape;

    /// <summary>Floats.</summary>
    /// <param name="name">Name in the graph.</param>
    /// <param name="values">Row-major values.</param>
    /// <param name="shape">Dimensions.</param>
    public NetworkInput(string name, Memory<float> values, long[] shape) => (Name, floats, this.shape) = (name, values, shape);

    /// <summary>Bytes.</summary>
    /// <param name="name">Name in the graph.</param>
    /// <param name="values">Row-major values.</param>
    /// <param name="shape">Dimensions.</param>
    public NetworkInput(string name, Memory<byte> values, long[] shape) => (Name, bytes, this.shape) = (name, values, shape);

    /// <summary>Name in the graph.</summary>
    public string Name { get; }

    /// <summary>Values.</summary>
    internal int Length => bytes?.Length ?? floats.Length;

    internal OrtValue Wrap() => bytes is { } values
        ? OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, values, shape)
        : OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, floats, shape);
}

/// <summary>The outputs of one run, in the order they were asked for.</summary>
public sealed class NetworkOutputs : IDisposable
{
    private readonly IDisposableReadOnlyCollection<OrtValue> values;
    private readonly long[][] shapes;

    internal NetworkOutputs(string network, IReadOnlyList<string> names, IDisposableReadOnlyCollection<OrtValue> values)
    {
        this.values = values;
        shapes = new long[values.Count][];
        try
        {
            for (int i = 0; i < values.Count; i++)
            {
                var info = values[i].GetTensorTypeAndShape();
                if (info.ElementDataType != TensorElementType.Float)
                {
                    throw new InferenceException($"Output {names[i]} of {network} holds {info.ElementDataType}, not floats.");
                }

                shapes[i] = info.Shape;
                if (!AllFinite(Values(i)))
                {
                    throw new InferenceException($"Output {names[i]} of {network} holds a value that is not a number.");
                }
            }
        }
        catch
        {
            values.Dispose();
            throw;
        }
    }

    /// <summary>Values of output <paramref name="index"/>, row-major; valid until disposal.</summary>
    public ReadOnlySpan<float> Values(int index) => values[index].GetTensorDataAsSpan<float>();

    /// <summary>Dimensions of output <paramref name="index"/>.</summary>
    public long[] Shape(int index) => shapes[index];

    /// <inheritdoc/>
    public void Dispose() => values.Dispose();

    private static bool AllFinite(ReadOnlySpan<float> values)
    {
        // x − x is 0 for every finite x and not a number otherwise.
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            var x = new Vector<float>(values[i..]);
            if (!Vector.EqualsAll(x - x, Vector<float>.Zero))
            {
                return false;
            }
        }

        for (; i < values.Length; i++)
        {
            if (!float.IsFinite(values[i]))
            {
                return false;
            }
        }

        return true;
    }
}
