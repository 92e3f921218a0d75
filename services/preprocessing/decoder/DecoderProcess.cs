using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Palimpsest.Decoder.Evidence;
using Palimpsest.Decoder.Sandbox;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoder;

/// <summary>
/// The life of a decoder: shut itself in, say so, then one picture at a time until its parent closes the pipe. A death costs the parent one
/// picture. Nothing here trusts the picture; everything trusts the parent.
/// </summary>
internal static partial class DecoderProcess
{
    /// <summary>More than the parent's wall-clock limit, so that it only matters without a parent.</summary>
    private static readonly TimeSpan CpuPerPicture = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan CpuPerEvidence = TimeSpan.FromSeconds(90);

    private const ulong DefaultMemory = 1536UL << 20;

    /// <summary>EINTR.</summary>
    private const int Interrupted = 4;

    /// <summary>Serves requests until the input ends.</summary>
    public static int Run(Stream input, Stream output)
    {
        Warmup.Run();
        ProcessLimits.StandBack(int.TryParse(Environment.GetEnvironmentVariable(DecoderEnvironment.Niceness), CultureInfo.InvariantCulture, out int nice) ? nice : 0);
        ProcessLimits.Apply(ReadMemoryLimit());
        SystemCallFilter.Apply();
        WriteLine(output, DecoderReply.Ready);

        // PR_SET_PDEATHSIG would follow the parent's *thread* that started us, and the thread pool retires threads.
        new Thread(EndWithParent) { IsBackground = true, Name = "parent" }.Start();
        using var requests = new StreamReader(input, Encoding.UTF8);
        while (requests.ReadLine() is { } line)
        {
            var request = JsonSerializer.Deserialize(line, DecoderJson.Default.DecoderRequest);
            ProcessLimits.AllowCpu(request is EvidenceRequest ? CpuPerEvidence : CpuPerPicture);
            WriteLine(output, Answer(request));
        }

        return 0;
    }

    /// <summary>Waits until the other end of standard input is closed, which the kernel does when the parent dies, and ends this process, even in the middle of a picture.</summary>
    private static void EndWithParent()
    {
        var input = new PollEntry { Descriptor = 0 }; // no events: a request is not waited for, only the end (POLLHUP), which is always told
        while (Poll(ref input, 1, Timeout.Infinite) < 0 && Marshal.GetLastPInvokeError() == Interrupted)
        {
            // By a signal.
        }

        ExitAtOnce(0);
    }

    /// <summary>Does what is asked for. Faults of our own, unlike the picture's, end the process.</summary>
    internal static DecoderReply Answer(DecoderRequest? request)
    {
        try
        {
            TestHooks.Misbehave(request);
            return request switch
            {
                PrepareRequest prepare => new DecoderReply { Prepared = Preparation.Prepare(prepare) },
                RenderRequest render => new DecoderReply { Rendered = Rendering.Render(render) },
                EvidenceRequest evidence => new DecoderReply { Evidence = EvidenceWork.Do(evidence) },
                _ => throw new InvalidOperationException("Unknown request."),
            };
        }
        catch (RefusalException e)
        {
            return new DecoderReply { Refusal = e.Refusal };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return new DecoderReply { Failure = e.Message, FailureCode = e.HResult }; // the disk's or our own blob's fault, not the picture's
        }
    }

    private static void WriteLine(Stream output, DecoderReply reply)
    {
        output.Write([.. JsonSerializer.SerializeToUtf8Bytes(reply, DecoderJson.Default.DecoderReply), (byte)'\n']);
        output.Flush();
    }

    /// <summary>No finalizers, no exit handlers: another thread may be inside a native decoder.</summary>
    [LibraryImport("libc", EntryPoint = "_exit")]
    private static partial void ExitAtOnce(int status);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollEntry entry, nuint count, int timeout);

    private static ulong ReadMemoryLimit() =>
        ulong.TryParse(Environment.GetEnvironmentVariable(DecoderEnvironment.MemoryBytes), CultureInfo.InvariantCulture, out ulong bytes) ? bytes : DefaultMemory;

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
