using System.Text.Json;
using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;

namespace Palimpsest.Hosting;

/// <summary>
/// How raw scores become probabilities and verdicts: <c>models/calibration.json</c>, written by training from validation pictures. Part of the cache key.
/// </summary>
public sealed record Calibration
{
    private const double Edge = 1e-6;

    /// <summary>Recorded with each result; <c>uncalibrated</c> without a file.</summary>
    public required string Version { get; init; }

    /// <summary>Platt scaling of each localizer by name; one that is missing is taken as it is.</summary>
    public IReadOnlyDictionary<string, PlattScaling> Detectors { get; init; } = new Dictionary<string, PlattScaling>(StringComparer.Ordinal);

    /// <summary>Fused probability from which a picture is called likely fake.</summary>
    public required double LikelyFake { get; init; }

    /// <summary>Fused probability up to which a covered picture is called likely real.</summary>
    public required double LikelyReal { get; init; }

    /// <summary>Share of authentic validation pictures at or above <see cref="LikelyFake"/>, 0..1; null when not measured.</summary>
    public double? FalseAlarmRate { get; init; }

    /// <summary>What it was fitted on.</summary>
    public string? Data { get; init; }

    /// <summary>Raw scores as they are, cautious thresholds: fake from 0.8, real up to 0.2, a wide uncertain band between.</summary>
    public static Calibration Uncalibrated { get; } = new() { Version = "uncalibrated", LikelyFake = 0.8, LikelyReal = 0.2 };

    /// <summary>Reads <c>calibration.json</c> in a models folder; <see cref="Uncalibrated"/> when there is none.</summary>
    /// <param name="modelsDirectory">The folder.</param>
    /// <param name="log">Told when there is no file: every process of a platform must judge alike.</param>
    /// <exception cref="InvalidDataException">The file is there and wrong: better no start than silent nonsense.</exception>
    public static Calibration Load(string modelsDirectory, ILogger? log = null)
    {
        string path = Path.Combine(modelsDirectory, "calibration.json");
        if (!File.Exists(path))
        {
            if (log is not null)
            {
                CalibrationLog.NoFile(log, path);
            }

            return Uncalibrated;
        }

        Calibration calibration;
        try
        {
            calibration = JsonSerializer.Deserialize<Calibration>(File.ReadAllBytes(path), PlatformJson.Options) ?? throw new InvalidDataException($"{path} is empty.");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is not a calibration: {e.Message}", e);
        }

        bool ordered = calibration is { LikelyReal: >= 0 and < 1, LikelyFake: > 0 and <= 1 } && calibration.LikelyReal < calibration.LikelyFake;
        bool rising = calibration.Detectors.Values.All(p => double.IsFinite(p.A) && double.IsFinite(p.B) && p.A > 0 && double.IsFinite(p.Calm) && p.Calm >= 0 && double.IsFinite(p.Silence) && p.Silence > 0);
        return ordered && rising && calibration.Version.Length > 0
            ? calibration
            : throw new InvalidDataException($"{path}: needs a version, 0 <= likely_real < likely_fake <= 1, and a > 0, calm >= 0, silence > 0 for each detector.");
    }

    /// <summary>The calibrated probability of a raw score: sigmoid(a·logit(score) + b).</summary>
    /// <param name="detector">One of <see cref="DetectorNames"/>.</param>
    /// <param name="score">Raw score, 0..1.</param>
    public double Apply(string detector, double score)
    {
        if (!Detectors.TryGetValue(detector, out var platt))
        {
            return Math.Clamp(score, 0, 1);
        }

        return Sigmoid((platt.A * Logit(score)) + platt.B);
    }

    /// <summary>
    /// What each localizer's score weighs in the picture's. A lone one's is taken as it is; of several, each is lowered by its <see cref="PlattScaling.Calm"/>: witnesses who
    /// each know little must not add up to an accusation.
    /// </summary>
    /// <param name="scores">Calibrated scores by localizer.</param>
    public IReadOnlyDictionary<string, double> Weigh(IReadOnlyDictionary<string, double> scores)
    {
        ArgumentNullException.ThrowIfNull(scores);
        return scores.Count < 2
            ? scores
            : scores.ToDictionary(s => s.Key, s => Detectors.TryGetValue(s.Key, out var platt) && platt.Calm > 0 ? Sigmoid(Logit(s.Value) - platt.Calm) : s.Value, StringComparer.Ordinal);
    }

    /// <summary>How far below <see cref="LikelyReal"/>, in log-odds, a localizer's score must lie for nothing to be left of its regions.</summary>
    /// <param name="detector">One of <see cref="DetectorNames"/>.</param>
    public double Silence(string detector) => Detectors.TryGetValue(detector, out var platt) ? platt.Silence : PlattScaling.UsualSilence;

    /// <summary>Log-odds of a probability, finite at 0 and 1.</summary>
    public static double Logit(double probability)
    {
        double clipped = Math.Clamp(probability, Edge, 1 - Edge);
        return Math.Log(clipped / (1 - clipped));
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}

/// <summary>p = sigmoid(<see cref="A"/>·logit(score) + <see cref="B"/>).</summary>
public sealed record PlattScaling
{
    /// <summary>Slope, above 0.</summary>
    public required double A { get; init; }

    /// <summary>Offset.</summary>
    public required double B { get; init; }

    /// <summary>Log-odds taken off when another localizer answered too, 0 or more: <see cref="Calibration.Weigh"/>.</summary>
    public double Calm { get; init; }

    /// <summary>See <see cref="Calibration.Silence"/>: above 0; more for a localizer whose scores spread widely.</summary>
    public double Silence { get; init; } = UsualSilence;

    internal const double UsualSilence = 4;
}

internal static partial class CalibrationLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "There is no {Path}: scores are taken as they are, and the band between real and fake is wide")]
    public static partial void NoFile(ILogger logger, string path);
}
