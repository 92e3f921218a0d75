namespace Palimpsest.Inference;

/// <summary>One score for a picture that was looked at in several parts.</summary>
internal static class Odds
{
    /// <summary>
    /// The mean of the parts' odds, as a probability. If one part, any of them alike, may be manipulated, this is what the parts' evidence
    /// together says: a single clear part decides, while the chance alarms of many parts do not add up as they do in a maximum.
    /// </summary>
    public static double Mean(IEnumerable<double> probabilities)
    {
        double odds = probabilities.Select(p => Math.Clamp(p, 1e-6, 1 - 1e-6)).Average(p => p / (1 - p));
        return odds / (1 + odds);
    }
}
