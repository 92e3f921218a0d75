using Microsoft.Extensions.Options;
using Palimpsest.Decoding;

namespace Palimpsest.Reporting;

/// <summary>Decoder processes that make evidence: their own, and standing back, so that no verdict waits for evidence. None runs before the first request.</summary>
internal sealed class EvidenceDecoders(IOptions<DecoderOptions> decoder, EvidenceOptions options, ILogger<DecoderPool> logger) : IAsyncDisposable
{
    private readonly DecoderPool pool = new(
        Options.Create(new DecoderOptions
        {
            Processes = options.Processes,
            Timeout = TimeSpan.FromSeconds(options.TimeoutSeconds),
            StartTimeout = decoder.Value.StartTimeout,
            MemoryBytes = options.MemoryBytes,
            ManagedHeapBytes = options.ManagedHeapBytes,
            MaxPixels = decoder.Value.MaxPixels,
            MaxSide = decoder.Value.MaxSide,
            MinSide = decoder.Value.MinSide,
            Niceness = options.Niceness,
            TestHooks = decoder.Value.TestHooks,
        }),
        logger);

    public DecoderPool Pool => pool;

    public ValueTask DisposeAsync() => pool.DisposeAsync();
}
