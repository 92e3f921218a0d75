using System.Globalization;

namespace Palimpsest.Malformed;

/// <summary>What became of many broken pictures.</summary>
internal sealed class MalformedSummary
{
    private readonly Lock gate = new();
    private readonly SortedDictionary<string, int> codes = new(StringComparer.Ordinal);

    public int Files { get; private set; }

    public int Accepted { get; private set; }

    /// <summary>Deaths of processes other than decoder children.</summary>
    public int Deaths { get; set; }

    public int ServerErrors { get; private set; }

    public double DecoderDeaths { get; set; }

    /// <summary>Longest wait for one answer: of the decoder, or of the gateway to one request.</summary>
    public TimeSpan Slowest { get; private set; }

    /// <summary>Longest time from a picture's acceptance to the end of its analysis, networks included.</summary>
    public TimeSpan LongestAnalysis { get; private set; }

    public long PeakBytes { get; set; }

    /// <summary>Refusals by code.</summary>
    public IReadOnlyDictionary<string, int> Codes => codes;

    public int Rejected => codes.Values.Sum();

    /// <summary>One picture has its answer.</summary>
    /// <param name="code">Null: accepted.</param>
    /// <param name="serverError">The answer was a 5xx.</param>
    /// <param name="time">Longest wait for an answer about it.</param>
    /// <param name="analysis">From sending it to the end of its analysis.</param>
    public void Add(string? code, bool serverError, TimeSpan time, TimeSpan analysis = default)
    {
        lock (gate)
        {
            Files++;
            Slowest = time > Slowest ? time : Slowest;
            LongestAnalysis = analysis > LongestAnalysis ? analysis : LongestAnalysis;
            if (serverError)
            {
                ServerErrors++;
            }
            else if (code is null)
            {
                Accepted++;
            }
            else
            {
                codes[code] = codes.GetValueOrDefault(code) + 1;
            }
        }
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"files {Files} accepted {Accepted} rejected {Rejected} deaths {Deaths} server-errors {ServerErrors} slowest {Slowest.TotalSeconds:0.00}s peak-rss {PeakBytes / 1048576.0:0}MB");

    /// <summary>The refusals, and how many decoder children died of them.</summary>
    public string Details() => $"rejected: {string.Join(", ", codes.Select(c => $"{c.Key} {c.Value}"))}; decoder deaths {DecoderDeaths}; longest analysis {LongestAnalysis.TotalSeconds:0.0} s";
}
