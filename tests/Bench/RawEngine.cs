using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.ML.OnnxRuntime;
using Palimpsest.Contracts;
using Palimpsest.Inference;

namespace Palimpsest.Bench;

/// <summary>
/// ONNX Runtime alone: every network call that serving makes for a picture (the face search's squares, the router, the localizer), as often as serving was seen to make it,
/// on the same cores, with nothing around. What the platform is measured against.
/// </summary>
internal sealed class RawEngine : IDisposable
{
    private readonly List<Call> calls = [];
    private readonly int runs;

    /// <summary>Loads the networks of a models folder with serving's layout, or with one run that has all cores.</summary>
    /// <param name="models">Models folder.</param>
    /// <param name="pictures">Whose size is replayed.</param>
    /// <param name="counts">Calls a picture by model name, as serving's metrics have them.</param>
    /// <param name="wide">One run of all cores, spinning, instead of one run a core.</param>
    public RawEngine(string models, Pictures pictures, IReadOnlyDictionary<string, double> counts, bool wide)
    {
        var options = Options(models);
        runs = wide ? 1 : ThreadLayout.Runs(options, ExecutionProviders.Cpu);
        int threads = wide ? Environment.ProcessorCount : ThreadLayout.Threads(options, ExecutionProviders.Cpu, runs);
        OneThread = threads == 1;
        var catalog = new ModelCatalog(options);
        var localizer = catalog.Load(DetectorNames.Shallowfake);
        Model = localizer.Manifest.Identity;
        Add(localizer.Manifest.Name, localizer.Network, input => Shape(input, localizer.Manifest, pictures));
        var router = catalog.Load("router");
        Add(router.Manifest.Name, router.Network, _ => [1, router.Manifest.Features!.Count]);
        int squares = FaceSearchGrid.Squares(pictures.Width, pictures.Height, new FaceSearchOptions()).Count();
        double faces = counts.GetValueOrDefault("blazeface");
        if (Math.Abs(counts.GetValueOrDefault(Model.Name) - 1) > 0.01 || counts.GetValueOrDefault(catalog.Load(DetectorNames.Deepfake).Manifest.Name) > 0)
        {
            throw new InvalidOperationException("Serving did not call the shallowfake localizer once for each picture and it alone: one call a picture is what is replayed.");
        }

        AddFaces(BlazeFaceFinder.BackFile, 256, Math.Min(squares, faces));
        AddFaces(BlazeFaceFinder.FrontFile, 128, Math.Max(0, faces - squares));

        void AddFaces(string file, int side, double count) =>
            calls.Add(new Call(Session(File.ReadAllBytes(Path.Combine(ModelCatalog.DefaultFolder, file)), threads, wide), _ => [1, side, side, 3], count));

        void Add(string name, byte[] network, Func<string, long[]> shape) => calls.Add(new Call(Session(network, threads, wide), shape, counts.GetValueOrDefault(name)));
    }

    public ModelIdentity Model { get; }

    /// <summary>A models folder with the choice that the environment makes: the servers inherit it, so it is replayed here.</summary>
    public static InferenceOptions Options(string models)
    {
        var options = new InferenceOptions { Models = models };
        if (Environment.GetEnvironmentVariable("Inference__Choose__" + DetectorNames.Shallowfake) is { Length: > 0 } chosen)
        {
            options.Choose[DetectorNames.Shallowfake] = chosen;
        }

        return options;
    }

    /// <summary>A run computes on the thread that calls it and on no other: only then is the platform's time inside ONNX Runtime known.</summary>
    public bool OneThread { get; }

    /// <summary>Over some time: pictures a second, and seconds of processor a picture (of the threads that call, all there are where runs have one).</summary>
    public (double PerSecond, double CpuSeconds) Measure(TimeSpan duration)
    {
        double done = 0, cpu = 0;
        int pictures = 0;
        long start = Stopwatch.GetTimestamp();
        var threads = Enumerable.Range(0, runs).Select(_ => new Thread(() =>
        {
            var owed = new double[calls.Count];
            int count = 0;
            double mine = ThreadClock.Seconds();
            while (Stopwatch.GetElapsedTime(start) < duration)
            {
                for (int i = 0; i < calls.Count; i++)
                {
                    for (owed[i] += calls[i].Count; owed[i] >= 1; owed[i]--)
                    {
                        calls[i].Run();
                    }
                }

                count++;
            }

            // The last picture of each thread ends behind the clock: its own speed counts, not the cut.
            double speed = count / Stopwatch.GetElapsedTime(start).TotalSeconds;
            mine = ThreadClock.Seconds() - mine;
            lock (calls)
            {
                (done, cpu, pictures) = (done + speed, cpu + mine, pictures + count);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        return (done, cpu / pictures);
    }

    public void Dispose() => calls.ForEach(call => call.Dispose());

    /// <summary>Milliseconds of one run of a network, single-threaded: the middle of several.</summary>
    public static double Milliseconds(byte[] network, Func<string, long[]> shape, int times)
    {
        using var call = new Call(Session(network, threads: 1, spin: false), shape, 1);
        call.Run();
        return Percentiles.Median(Enumerable.Range(0, times).Select(_ =>
        {
            double start = ThreadClock.Seconds();
            call.Run();
            return (ThreadClock.Seconds() - start) * 1000;
        }));
    }

    /// <summary>The shape of a localizer's input for pictures shown whole.</summary>
    public static long[] Shape(string input, ModelManifest manifest, Pictures pictures)
    {
        int Padded(int length) => (length + manifest.Size.MultipleOf - 1) / manifest.Size.MultipleOf * manifest.Size.MultipleOf;
        int width = manifest.Size.Fixed ? manifest.Size.Width : Padded(pictures.Width), height = manifest.Size.Fixed ? manifest.Size.Height : Padded(pictures.Height);
        return input == manifest.Inputs.Pixels?.Name ? (manifest.Inputs.Pixels!.Layout == "nchw" ? [1, 3, height, width] : [1, height, width, 3])
            : input == manifest.Inputs.Dct?.Name ? [1, manifest.Inputs.Dct!.Coefficients, height / 8, width / 8]
            : [1, 64];
    }

    private static InferenceSession Session(byte[] network, int threads, bool spin)
    {
        using var options = new SessionOptions { IntraOpNumThreads = threads, InterOpNumThreads = 1, LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        options.AddSessionConfigEntry("session.intra_op.allow_spinning", spin ? "1" : "0");
        return new InferenceSession(network, options);
    }

    private sealed class Call : IDisposable
    {
        private readonly InferenceSession session;
        private readonly Dictionary<string, OrtValue> inputs;
        private readonly RunOptions options = new();

        public Call(InferenceSession session, Func<string, long[]> shape, double count)
        {
            (this.session, Count) = (session, count);
            inputs = session.InputMetadata.ToDictionary(input => input.Key, input => Tensor(shape(input.Key), input.Value.ElementType == typeof(byte)), StringComparer.Ordinal);
        }

        public double Count { get; }

        public void Run()
        {
            using var outputs = session.Run(options, inputs, session.OutputNames);
        }

        public void Dispose()
        {
            foreach (var value in inputs.Values)
            {
                value.Dispose();
            }

            options.Dispose();
            session.Dispose();
        }

        private static OrtValue Tensor(long[] shape, bool isBytes)
        {
            var values = new float[shape.Aggregate(1L, (a, b) => a * b)];
            var bytes = RandomNumberGenerator.GetBytes(values.Length);
            if (isBytes)
            {
                return OrtValue.CreateTensorValueFromMemory(bytes, shape);
            }

            for (int i = 0; i < values.Length; i++)
            {
                values[i] = shape.Length == 2 ? 10 : shape[1] is 3 || shape[^1] is 3 ? bytes[i] / 255f : (bytes[i] % 7) - 3;
            }

            return OrtValue.CreateTensorValueFromMemory(values, shape);
        }
    }
}
