using System.ComponentModel.DataAnnotations;

namespace Palimpsest.Reporting;

/// <summary>Section <c>Evidence</c>.</summary>
internal sealed class EvidenceOptions
{
    /// <summary>Section name.</summary>
    public const string Section = "Evidence";

    /// <summary>Decoder processes for evidence; they start with the first request and are not those that verdicts wait for.</summary>
    [Range(1, 64)]
    public int Processes { get; set; } = 1;

    /// <summary>Added to their nice value, 0..19: verdicts come first.</summary>
    [Range(0, 19)]
    public int Niceness { get; set; } = 10;

    /// <summary>Wall time for one kind of evidence, seconds.</summary>
    [Range(1, 600)]
    public double TimeoutSeconds { get; set; } = 60;

    /// <summary>Private memory of a process, bytes; holds a 50-megapixel picture with its planes.</summary>
    [Range(256L << 20, 1L << 40)]
    public long MemoryBytes { get; set; } = 2L << 30;

    /// <summary>The managed part of it, bytes.</summary>
    [Range(64L << 20, 1L << 40)]
    public long ManagedHeapBytes { get; set; } = 1L << 30;

    /// <summary>Kinds of evidence, of all analyses, that are made or wait for a process at the same time. Who asks for all kinds of a picture, as a report does, has one of them at a time.</summary>
    [Range(1, 10_000)]
    public int AtOnce { get; set; } = 32;

    /// <summary>Of them, those of one tenant.</summary>
    [Range(1, 10_000)]
    public int AtOncePerTenant { get; set; } = 8;

    /// <summary>How long a further one waits before it is answered 503, seconds.</summary>
    [Range(0, 300)]
    public double WaitSeconds { get; set; } = 10;

    /// <summary>Similar analyses that are named at most.</summary>
    [Range(1, 100)]
    public int MaxSimilar { get; set; } = 10;
}
