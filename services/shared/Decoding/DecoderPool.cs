using System.Diagnostics;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoding;

/// <summary>
/// Decodes untrusted bytes in a few child processes, so that a crash, a hang or a bomb costs its own picture and nothing else. Starts its
/// processes with the host, or with the first request where there is none.
/// </summary>
public sealed partial class DecoderPool : IHostedService, IAsyncDisposable
{
    private readonly DecoderOptions options;
    private readonly ILogger<DecoderPool> logger;
    private readonly Channel<Slot> idle = Channel.CreateUnbounded<Slot>();
    private readonly List<Slot> slots = [];
    private readonly CancellationTokenSource stopping = new();

    /// <summary>A pool; no process is started yet.</summary>
    public DecoderPool(IOptions<DecoderOptions> options, ILogger<DecoderPool> logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        (this.options, this.logger) = (options.Value, logger);
        for (int i = 0; i < this.options.ProcessCount; i++)
        {
            var slot = new Slot();
            slots.Add(slot);
            idle.Writer.TryWrite(slot);
        }
    }

    /// <summary>How many pictures can be decoded at a time.</summary>
    public int Processes => slots.Count;

    /// <summary>Of the processes that are up.</summary>
    internal IReadOnlyList<int> ProcessIds => [.. slots.Where(s => s.Child is { IsCompletedSuccessfully: true }).Select(s => s.Child!.GetAwaiter().GetResult().ProcessId)];

    /// <summary>Processes that a request has taken.</summary>
    internal int AtWork => slots.Count - idle.Reader.Count;

    /// <summary>Starts and warms every process.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(slots.Select(AliveAsync)).WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Decodes an upload into a prepared image without faces and trailer.</summary>
    /// <param name="upload">Path of the upload as received.</param>
    /// <param name="output">Path to write to.</param>
    /// <param name="cancellationToken">Kills the decoding process.</param>
    /// <returns>The layout, or why the picture is refused.</returns>
    /// <exception cref="IOException">A file could not be read or written.</exception>
    public async Task<(PreparedLayout? Layout, Refusal? Refusal)> PrepareAsync(string upload, string output, CancellationToken cancellationToken)
    {
        var reply = await AskAsync(
            new PrepareRequest { Upload = upload, Output = output, Limits = options.Limits, MaxAnalysedPixels = options.MaxAnalysedPixels }, cancellationToken);
        return (reply.Prepared, reply.Refusal);
    }

    /// <summary>Renders an upload in displayed orientation, as PNG, JPEG or WebP.</summary>
    /// <param name="upload">Path of the upload as received.</param>
    /// <param name="output">Path to write to.</param>
    /// <param name="format">Encoding.</param>
    /// <param name="maxSide">Longest side, pixels; null for the picture's own size.</param>
    /// <param name="overlay">A stored <see cref="ProbabilityMap"/> to draw over it, and the grids it refers to; null for none.</param>
    /// <param name="cancellationToken">Kills the decoding process.</param>
    /// <returns>The size, or why it cannot be rendered.</returns>
    /// <exception cref="IOException">A file could not be read or written.</exception>
    public async Task<(RenderedImage? Image, Refusal? Refusal)> RenderAsync(
        string upload, string output, RenderFormat format, int? maxSide, (string MapPath, ImageGeometry Geometry)? overlay, CancellationToken cancellationToken)
    {
        var reply = await AskAsync(
            new RenderRequest { Upload = upload, Output = output, Limits = options.Limits, Format = format, MaxSide = maxSide, Map = overlay?.MapPath, Geometry = overlay?.Geometry },
            cancellationToken);
        return (reply.Rendered, reply.Refusal);
    }

    /// <summary>Looks at an upload by one classical method.</summary>
    /// <param name="upload">Path of the upload as received.</param>
    /// <param name="output">Path the map is written to; created in any case.</param>
    /// <param name="kind">One of <see cref="EvidenceNames"/>.</param>
    /// <param name="cancellationToken">Kills the process at work.</param>
    /// <returns>The findings, or why the picture cannot be looked at.</returns>
    /// <exception cref="IOException">A file could not be read or written.</exception>
    public async Task<(EvidenceAnswer? Answer, Refusal? Refusal)> EvidenceAsync(string upload, string output, string kind, CancellationToken cancellationToken)
    {
        var reply = await AskAsync(new EvidenceRequest { Upload = upload, Output = output, Limits = options.Limits, Kind = kind }, cancellationToken);
        return (reply.Evidence, reply.Refusal);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (stopping.IsCancellationRequested)
        {
            return;
        }

        await stopping.CancelAsync();
        foreach (var slot in slots.Where(s => s.Child is not null))
        {
            try
            {
                (await slot.Child!).Dispose();
            }
            catch (Exception e) when (e is OperationCanceledException or DecoderDiedException)
            {
                // It never came up.
            }
        }

        stopping.Dispose();
    }

    /// <summary>Sends any request to an idle process.</summary>
    internal async Task<DecoderReply> AskAsync(DecoderRequest request, CancellationToken cancellationToken)
    {
        // A process may be killed from outside (the kernel short of memory, an operator), which is no picture's fault: hence one second try.
        var reply = await TryAskAsync(request, cancellationToken) ?? await TryAskAsync(request, cancellationToken)
            ?? new DecoderReply { Refusal = new Refusal(ErrorCodes.DecoderCrashed, "The decoder died on this picture, twice; save it again with another program.") };
        return reply.Failure is null ? reply : throw new IOException(reply.Failure, reply.FailureCode);
    }

    /// <summary>One try; null when the process died.</summary>
    private async Task<DecoderReply?> TryAskAsync(DecoderRequest request, CancellationToken cancellationToken)
    {
        var slot = await idle.Reader.ReadAsync(cancellationToken);
        bool spent = false;
        try
        {
            var child = await AliveAsync(slot).WaitAsync(cancellationToken);
            spent = true;
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stopping.Token);
            limit.CancelAfter(options.Timeout);
            long started = Stopwatch.GetTimestamp();
            var reply = await child.AskAsync(request, limit.Token);
            DecoderMetrics.Answered(request, Stopwatch.GetElapsedTime(started));
            spent = false;
            return reply;
        }
        catch (DecoderDiedException e) when (!spent)
        {
            throw new IOException("No decoder process could be started: " + e.Message, e);
        }
        catch (DecoderDiedException e)
        {
            DecoderMetrics.Died("crash");
            Log.Died(logger, e.Message);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            DecoderMetrics.Died("timeout");
            Log.TimedOut(logger, options.Timeout);
            return new DecoderReply { Refusal = new Refusal(ErrorCodes.DecodeTimeout, $"Decoding took longer than {options.Timeout.TotalSeconds:0} s; send a smaller or simpler file.") };
        }
        finally
        {
            if (spent && !stopping.IsCancellationRequested)
            {
                Restart(slot);
            }

            idle.Writer.TryWrite(slot);
        }
    }

    private Task<DecoderChild> AliveAsync(Slot slot)
    {
        bool usable = slot.Child is { } child && (!child.IsCompleted || (child.IsCompletedSuccessfully && child.GetAwaiter().GetResult().IsAlive));
        if (!usable)
        {
            Restart(slot);
        }

        return slot.Child!;
    }

    /// <summary>Puts a new process in the slot, in the background; the old one is killed.</summary>
    private void Restart(Slot slot)
    {
        if (slot.Child is { IsCompletedSuccessfully: true } old)
        {
            old.GetAwaiter().GetResult().Dispose();
        }

        slot.Child = DecoderChild.StartAsync(options, stopping.Token);
    }

    /// <summary>A place for a process; in the idle channel while nobody uses it.</summary>
    private sealed class Slot
    {
        public Task<DecoderChild>? Child { get; set; }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "A decoder process died: {Reason}")]
        public static partial void Died(ILogger logger, string reason);

        [LoggerMessage(2, LogLevel.Warning, "A decoder process was killed after {Limit}")]
        public static partial void TimedOut(ILogger logger, TimeSpan limit);
    }
}
