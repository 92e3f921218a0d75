using System.Collections.Concurrent;
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

    /// <summary>Serves requests until the input ends.</summary>
    public static int Run(Stream input, Stream output)
    {
        Warmup.Run();
        ProcessLimits.StandBack(int.TryParse(Environment.GetEnvironmentVariable(DecoderEnvironment.Niceness), CultureInfo.InvariantCulture, out int nice) ? nice : 0);
        ProcessLimits.Apply(ReadMemoryLimit());
        SystemCallFilter.Apply();
        WriteLine(output, DecoderReply.Ready);

        // The pipe is read on its own thread: when the parent dies it ends, and this process with it, even in the middle of a picture.
        // (PR_SET_PDEATHSIG would follow the parent's *thread* that started us, and the thread pool retires threads.)
        using var requests = new BlockingCollection<string>();
        var watcher = new Thread(() => ReadRequests(input, requests)) { IsBackground = true, Name = "requests" };
        watcher.Start();
        foreach (string line in requests.GetConsumingEnumerable())
        {
            var request = JsonSerializer.Deserialize(line, DecoderJson.Default.DecoderRequest);
            ProcessLimits.AllowCpu(request is EvidenceRequest ? CpuPerEvidence : CpuPerPicture);
            WriteLine(output, Answer(request));
        }

        return 0;
    }

    private static void ReadRequests(Stream input, BlockingCollection<string> requests)
    {
        using var reader = new StreamReader(input, Encoding.UTF8);
        while (reader.ReadLine() is { } line)
        {
            requests.Add(line);
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

    private static ulong ReadMemoryLimit() =>
        ulong.TryParse(Environment.GetEnvironmentVariable(DecoderEnvironment.MemoryBytes), CultureInfo.InvariantCulture, out ulong bytes) ? bytes : DefaultMemory;
}
