using System.ComponentModel.DataAnnotations;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoding;

/// <summary>Configuration section <c>Decoder</c>: the pool of decoder processes and the limits on pictures.</summary>
public sealed class DecoderOptions
{
    /// <summary>Processes, each decoding one picture at a time; 0 for one a core.</summary>
    [Range(0, 256)]
    public int Processes { get; set; }

    /// <summary>Wall time for one picture; then its process is killed.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00", ParseLimitsInInvariantCulture = true)]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Wall time for a process to start and warm up.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00", ParseLimitsInInvariantCulture = true)]
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Private memory of a process, native and managed, bytes; 1.5 GiB holds any picture within the limits.</summary>
    [Range(256L << 20, 1L << 40)]
    public long MemoryBytes { get; set; } = 1536L << 20;

    /// <summary>The managed part of it, bytes.</summary>
    [Range(64L << 20, 1L << 40)]
    public long ManagedHeapBytes { get; set; } = 256L << 20;

    /// <summary>Width × height of a picture, pixels.</summary>
    [Range(256, 1L << 32)]
    public long MaxPixels { get; set; } = 50_000_000;

    /// <summary>Longest side, pixels.</summary>
    [Range(16, 65_535)]
    public int MaxSide { get; set; } = 16_384;

    /// <summary>Shortest side, pixels. Smaller ones have no block of eight by eight to look into.</summary>
    [Range(16, 1024)]
    public int MinSide { get; set; } = 16;

    /// <summary>Larger pictures are reduced to this many pixels for analysis.</summary>
    [Range(65_536, 1L << 32)]
    public long MaxAnalysedPixels { get; set; } = 4_194_304;

    /// <summary>Added to the nice value of the processes, 0..19: how far other work comes first. As far as the networks' threads, so that pictures are not prepared faster than they are used.</summary>
    [Range(0, 19)]
    public int Niceness { get; set; } = 5;

    /// <summary>Lets marked pictures crash, hang or bloat their decoder; for tests only.</summary>
    public bool TestHooks { get; set; }

    internal int ProcessCount => Processes > 0 ? Processes : Environment.ProcessorCount;

    internal DecodeLimits Limits => new(MaxPixels, MaxSide, MinSide);
}
