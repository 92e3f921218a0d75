using Palimpsest.Hosting;
using Palimpsest.Imaging;

namespace Palimpsest.Reporting;

/// <summary>
/// The localizers' maps as one. Each region is weakened as far as its localizer takes the whole picture for clean or as it has no border
/// (<see cref="Weakening"/>), then the strongest response of each cell wins: noisy-or would turn two weak doubts about one spot into a find.
/// </summary>
internal sealed class FusedMap
{
    private FusedMap(ProbabilityMap fused, byte[] owner, IReadOnlyList<string> names, bool suppressed) =>
        (Fused, Owner, Names, Suppressed) = (fused, owner, names, suppressed);

    /// <summary>The map as it is shown.</summary>
    public ProbabilityMap Fused { get; }

    /// <summary>For each cell the index in <see cref="Names"/> of the localizer with the strongest response.</summary>
    public byte[] Owner { get; }

    /// <summary>Localizers in the map.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Weakening took cells below the mask threshold that were above it.</summary>
    public bool Suppressed { get; }

    /// <summary>Fuses.</summary>
    /// <param name="detectors">Completed localizers; one without a map contributes nothing.</param>
    /// <param name="scores">What each score weighs in the picture's: <see cref="Calibration.Weigh"/>.</param>
    /// <param name="geometry">The picture's grids.</param>
    /// <param name="calibration">Says up to which score a localizer says clean, and how far below that nothing is left of its regions.</param>
    public static FusedMap Of(IReadOnlyList<DetectorEvidence> detectors, IReadOnlyDictionary<string, double> scores, ImageGeometry geometry, Calibration calibration)
    {
        var fused = ProbabilityMap.Blank(geometry.AnalysedWidth, geometry.AnalysedHeight);
        var owner = new byte[fused.Values.Length];
        var names = new List<string>();
        bool suppressed = false;
        foreach (var detector in detectors)
        {
            if (detector.Map is not { } map)
            {
                continue;
            }

            if (map.Width != fused.Width || map.Height != fused.Height)
            {
                throw new ArgumentException($"The map of {detector.Name} has {map.Width}x{map.Height} cells, the picture {fused.Width}x{fused.Height}.", nameof(detectors));
            }

            byte index = (byte)names.Count;
            names.Add(detector.Name);
            byte[] weakened = new Weakening(scores[detector.Name], calibration.LikelyReal, calibration.Silence(detector.Name)).Apply(map, ref suppressed);
            for (int i = 0; i < weakened.Length; i++)
            {
                if (weakened[i] > fused.Values[i])
                {
                    (fused.Values[i], owner[i]) = (weakened[i], index);
                }
            }
        }

        return new FusedMap(fused, owner, names, suppressed);
    }

    /// <summary>Share of the analysed pixels in cells at or above <paramref name="threshold"/>.</summary>
    public double AreaAbove(byte threshold, ImageGeometry geometry)
    {
        long pixels = 0;
        for (int y = 0, i = 0; y < Fused.Height; y++)
        {
            for (int x = 0; x < Fused.Width; x++, i++)
            {
                pixels += Fused.Values[i] >= threshold ? Pixels(x, y, geometry) : 0;
            }
        }

        return (double)pixels / ((long)geometry.AnalysedWidth * geometry.AnalysedHeight);
    }

    /// <summary>Analysed pixels that a cell covers; fewer at the right and bottom edges.</summary>
    public static int Pixels(int x, int y, ImageGeometry geometry) =>
        Math.Min(ProbabilityMap.Cell, geometry.AnalysedWidth - (x * ProbabilityMap.Cell)) * Math.Min(ProbabilityMap.Cell, geometry.AnalysedHeight - (y * ProbabilityMap.Cell));
}
