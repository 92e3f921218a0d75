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

    public TimeSpan Slowest { get; private set; }

    public long PeakBytes { get; set; }

    /// <summary>Refusals by code.</summary>
    public IReadOnlyDictionary<string, int> Codes => codes;

    public int Rejected => codes.Values.Sum();

    /// <summary>One picture has its answer.</summary>
    /// <param name="code">Null: accepted.</param>
    /// <param name="serverError">The answer was a 5xx.</param>
    /// <param name="time">From sending it to the end.</param>
    public void Add(string? code, bool serverError, TimeSpan time)
    {
        lock (gate)
        {
            Files++;
            Slowest = time > Slowest ? time : Slowest;
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
    public string Details() => $"rejected: {string.Join(", ", codes.Select(c => $"{c.Key} {c.Value}"))}; decoder deaths {DecoderDeaths}";
}
