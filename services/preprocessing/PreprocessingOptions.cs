using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Preprocessing;

/// <summary>Section <c>Preprocessing</c>.</summary>
public sealed class PreprocessingOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Preprocessing";

    /// <summary>
    /// Pictures that each process of this service keeps ready for the localizers. Each takes 5.6 bytes a pixel of the blob volume, 24 MB at most, until it is worked off; further ones
    /// wait as they were uploaded. More than the localizers work off in a second, or they run dry.
    /// </summary>
    [Range(1, 100_000)]
    public int MaxAhead { get; set; } = 128;

    /// <summary>Free space on the blob volume below which nothing more is prepared, bytes: what is ready can still be worked off. Less than <c>Intake:MinFreeBytes</c>, below which nothing more is accepted.</summary>
    [Range(0, long.MaxValue)]
    public long MinFreeBytes { get; set; } = 256L << 20;

    /// <summary>Longest time that a picture waits for its turn while none is worked off, seconds. RabbitMQ closes the connection of who keeps a message for half an hour.</summary>
    [Range(0, 600)]
    public double MaxHoldSeconds { get; set; } = 300;
}
