using Microsoft.Extensions.Logging;
using Microsoft.ML.OnnxRuntime;

namespace Palimpsest.Inference;

/// <summary>Where networks run.</summary>
public static partial class ExecutionProviders
{
    /// <summary>CUDA if it works, else the CPU.</summary>
    public const string Auto = "auto";

    /// <summary>NVIDIA GPU; an error when it cannot be used.</summary>
    public const string Cuda = "cuda";

    /// <summary>NVIDIA GPU through TensorRT; an error when it cannot be used.</summary>
    public const string TensorRt = "tensorrt";

    /// <summary>The processor.</summary>
    public const string Cpu = "cpu";

    private static int warned;

    /// <summary>All accepted values.</summary>
    public static IReadOnlyList<string> All { get; } = [Auto, Cuda, TensorRt, Cpu];

    /// <summary>
    /// The provider that a process will really use. <c>auto</c> falls back to the CPU with one warning for the process and one count of
    /// <c>palimpsest.inference.provider_fallbacks</c> for each model.
    /// </summary>
    /// <param name="wanted">One of <see cref="All"/>.</param>
    /// <param name="device">GPU number.</param>
    /// <param name="model">Name on the metric.</param>
    /// <param name="logger">Where the warning goes.</param>
    /// <exception cref="DetectorUnavailableException">An accelerator was demanded and cannot be used.</exception>
    internal static string Choose(string wanted, int device, string model, ILogger logger)
    {
        if (wanted == Cpu)
        {
            return Cpu;
        }

        if (!All.Contains(wanted))
        {
            throw new DetectorUnavailableException($"The execution provider '{wanted}' is not one of {string.Join(", ", All)}.");
        }

        string target = wanted == TensorRt ? TensorRt : Cuda;
        string? obstacle = Obstacle(target, device);
        if (obstacle is null)
        {
            return target;
        }

        if (wanted != Auto)
        {
            throw new DetectorUnavailableException($"The execution provider {wanted} cannot be used: {obstacle}");
        }

        InferenceMetrics.ProviderFallbacks.Add(1, InferenceMetrics.Model(model));
        if (Interlocked.Exchange(ref warned, 1) == 0)
        {
            FellBack(logger, obstacle);
        }

        return Cpu;
    }

    /// <summary>Adds a chosen provider to a session.</summary>
    internal static void Append(SessionOptions session, string provider, int device)
    {
        if (provider == TensorRt)
        {
            session.AppendExecutionProvider_Tensorrt(device);
        }

        if (provider is TensorRt or Cuda)
        {
            session.AppendExecutionProvider_CUDA(device); // also runs what TensorRT leaves
        }
    }

    /// <summary>Lets a test see the warning again.</summary>
    internal static void ForgetWarning() => Volatile.Write(ref warned, 0);

    private static string? Obstacle(string provider, int device)
    {
        string library = $"libonnxruntime_providers_{provider}.so";
        if (!LibraryFolders().Any(folder => File.Exists(Path.Combine(folder, library))))
        {
            return $"{library} is not installed.";
        }

        // Device files of the NVIDIA driver, and of the GPU that Windows lends to its Linux subsystem.
        if (!File.Exists($"/dev/nvidia{device}") && !File.Exists("/dev/dxg"))
        {
            return $"there is no GPU number {device} on this machine.";
        }

        try
        {
            using var probe = new SessionOptions();
            Append(probe, provider, device);
            return null;
        }
        catch (OnnxRuntimeException e)
        {
            return e.Message;
        }
    }

    private static IEnumerable<string> LibraryFolders() =>
        (Environment.GetEnvironmentVariable("LD_LIBRARY_PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Prepend(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native"))
            .Prepend(AppContext.BaseDirectory);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Networks run on the CPU: {Obstacle}")]
    private static partial void FellBack(ILogger logger, string obstacle);
}
