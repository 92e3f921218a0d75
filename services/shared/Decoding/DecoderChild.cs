using System.Buffers;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoding;

/// <summary>The process ended without an answer: crashed, ran out of memory, or was killed.</summary>
internal sealed class DecoderDiedException(string message) : Exception(message);

/// <summary>One decoder process and the pipes to it. One request at a time.</summary>
internal sealed class DecoderChild : IDisposable
{
    private const string Program = "Palimpsest.Decoder";

    /// <summary>An answer is a few kilobytes of facts; a process that sends more was taken over.</summary>
    private const int MaxReplyBytes = 1 << 20;

    private readonly Process process;
    private readonly byte[] buffer = new byte[1 << 14];

    private DecoderChild(Process process) => this.process = process;

    /// <summary>False once the process has ended.</summary>
    public bool IsAlive => !process.HasExited;

    /// <summary>For tests and logs.</summary>
    public int ProcessId => process.Id;

    /// <summary>Starts a process and waits until it is warm and shut in.</summary>
    /// <exception cref="DecoderDiedException">It did not come up.</exception>
    public static async Task<DecoderChild> StartAsync(DecoderOptions options, CancellationToken cancellationToken)
    {
        var start = CreateStartInfo();
        start.Environment.Clear();
        foreach (var (name, value) in DecoderEnvironment.Create(options.MemoryBytes, options.ManagedHeapBytes, options.TestHooks, options.Niceness))
        {
            start.Environment[name] = value;
        }

        var child = new DecoderChild(Process.Start(start) ?? throw new DecoderDiedException("The decoder could not be started."));
        try
        {
            // What a dying process says is not logged: it may hold bytes of a client's picture.
            child.process.ErrorDataReceived += (_, _) => { };
            child.process.BeginErrorReadLine();
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(options.StartTimeout);
            await child.ReadReplyAsync(limit.Token);
            return child;
        }
        catch (Exception e)
        {
            child.Dispose();
            throw e is OperationCanceledException && !cancellationToken.IsCancellationRequested
                ? new DecoderDiedException($"The decoder was not ready after {options.StartTimeout.TotalSeconds:0} s.")
                : e;
        }
    }

    /// <summary>Sends a request and waits for its answer.</summary>
    /// <exception cref="DecoderDiedException">The process ended, or answered nonsense.</exception>
    /// <exception cref="OperationCanceledException">Canceled; the process is of no use any more, dispose it.</exception>
    public async Task<DecoderReply> AskAsync(DecoderRequest request, CancellationToken cancellationToken)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(request, DecoderJson.Default.DecoderRequest), (byte)'\n'];
        try
        {
            var input = process.StandardInput.BaseStream;
            await input.WriteAsync(line, cancellationToken);
            await input.FlushAsync(cancellationToken);
            return await ReadReplyAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new DecoderDiedException(e.Message);
        }
    }

    /// <summary>Ends the pipe to the process, which ends it.</summary>
    internal void CloseInput() => process.StandardInput.BaseStream.Dispose();

    /// <summary>Kills the process.</summary>
    public void Dispose()
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // Ended by itself.
        }

        process.Dispose();
    }

    private async Task<DecoderReply> ReadReplyAsync(CancellationToken cancellationToken)
    {
        var line = new ArrayBufferWriter<byte>();
        var output = process.StandardOutput.BaseStream;
        while (line.WrittenCount < MaxReplyBytes)
        {
            int read = await output.ReadAsync(buffer, cancellationToken);
            if (read == 0)
            {
                throw new DecoderDiedException("The decoder process ended.");
            }

            line.Write(buffer.AsSpan(0, read));
            if (buffer[read - 1] == '\n')
            {
                return Parse(line.WrittenSpan);
            }
        }

        throw new DecoderDiedException("The decoder's answer does not end.");
    }

    private static DecoderReply Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, DecoderJson.Default.DecoderReply) ?? throw new DecoderDiedException("The decoder answered nothing.");
        }
        catch (JsonException e)
        {
            throw new DecoderDiedException("The decoder's answer is not one: " + e.Message);
        }
    }

    /// <summary>By the dotnet that runs us when there is one, else by the program's own starter.</summary>
    private static ProcessStartInfo CreateStartInfo()
    {
        string folder = AppContext.BaseDirectory, dotnet = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "../../../dotnet"));
        var start = new ProcessStartInfo
        {
            FileName = File.Exists(dotnet) ? dotnet : Path.Combine(folder, Program),
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (File.Exists(dotnet))
        {
            start.ArgumentList.Add(Path.Combine(folder, Program + ".dll"));
        }

        return start;
    }
}
