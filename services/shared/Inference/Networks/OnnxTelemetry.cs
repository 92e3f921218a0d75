using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Inference;

/// <summary>
/// From 1.29 on ONNX Runtime for Linux reports to its maker which models it runs and how (github.com/microsoft/onnxruntime/pull/27379), and keeps an identifier of the machine, unless the environment forbids
/// it before it starts. What our users look at is nobody else's business.
/// </summary>
internal static partial class OnnxTelemetry
{
    /// <summary>Forbids it. The process' own environment, which the runtime reads: .NET changes a copy.</summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Before the first use of the runtime, whoever it is by.")]
    internal static void Off() => SetEnvironment("ORT_DISABLE_TELEMETRY", "1", overwrite: 1);

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnvironment(string name, string value, int overwrite);
}
