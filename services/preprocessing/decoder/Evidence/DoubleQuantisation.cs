using Palimpsest.Contracts;
using Palimpsest.Decoder.Jpeg;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Double-quantisation map (Z. Lin et al., "Fast, automatic and fine-grained tampered JPEG image detection via DCT coefficient analysis", 2009; T. Bianchi and A. Piva, "Image forgery
/// localization via block-grained analysis of JPEG artifacts", 2012): a part that was not compressed before lacks the periodic gaps that two compressions leave in the histograms of the
/// rest. From the file's own quantised coefficients; the step of the first compression is estimated for each frequency.
/// </summary>
internal static unsafe class DoubleQuantisation
{
    /// <summary>Frequencies that are used: the lowest, in zigzag order, without the first coefficient.</summary>
    private const int Frequencies = 15;

    /// <summary>Deviation of the error that rounding pixels between two compressions puts on a coefficient.</summary>
    private const float RoundingError = 0.6f;

    private const int Span = 1100;
    private const int MaxFirstStep = 40;

    /// <summary>Gain in log-likelihood for each coefficient that shows a first compression.</summary>
    private const float FewestGain = 0.012f;

    private const int FewestFrequencies = 4;
    private const float Limit = 1.0f;
    private const int Fewest = 24;

    public static Look Examine(EvidencePicture picture)
    {
        if (picture.ReadJpeg(wantCoefficients: true) is not ({ } facts, { } file))
        {
            return Look.NotApplicable("The file's coefficients cannot be read: it is not a JPEG, or of a rare kind.");
        }

        int wide = picture.BlocksWide, high = picture.BlocksHigh;
        if (wide < 8 || high < 8)
        {
            return Look.NotApplicable("The picture has too few blocks for histograms.");
        }

        float[][] shifted = ShiftedHistograms(picture);
        var ratio = new float[wide * high];
        var used = new List<(int Frequency, Model Model)>();
        for (int f = 1; f <= Frequencies; f++)
        {
            if (Model.Fit(Histogram(file, wide, high, f), shifted[f], facts.LuminanceTable[f]) is { } model && model.Gain >= FewestGain)
            {
                used.Add((f, model));
            }
        }

        bool twice = used.Count >= FewestFrequencies;
        double share = twice ? Grid.Median([.. used.Select(u => (float)u.Model.Share)]) : 0;
        if (twice)
        {
            // Which history is the exception: once compressed among twice compressed, or the other way round.
            float sign = share >= 0.5 ? 1 : -1;
            for (int y = 0, at = 0; y < high; y++)
            {
                for (int x = 0; x < wide; x++, at++)
                {
                    var block = file.Values.Slice(((y * file.BlocksWide) + x) * 64, 64);
                    foreach (var (frequency, model) in used)
                    {
                        ratio[at] += sign * model.LogRatio(block[frequency]);
                    }
                }
            }
        }

        float[] mean = Grid.BoxMean([.. ratio.Select(r => Math.Clamp(r, -6, 6))], wide, high, 2);
        var areas = twice ? Standouts.Above(mean, wide, high, Limit, Standouts.Least(Fewest, wide, high)) : [];
        areas.RemoveAll(a => a.Count > wide * high * 0.6);
        return Describe(picture, wide, mean, areas, used, twice, share);
    }

    private static Look Describe(
        EvidencePicture picture, int wide, float[] mean, List<(int Left, int Top, int Right, int Bottom, int Count)> areas, List<(int Frequency, Model Model)> used, bool twice, double share)
    {
        string history = share >= 0.5 ? "was not compressed before, unlike the rest, which was" : "was compressed before, unlike the rest";
        return new Look
        {
            Finding = areas.Count > 0 ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = areas.Count > 0 ? $"{Standouts.Areas(areas.Count)} {history}."
                : twice ? "Nothing unusual: the picture was compressed twice, all of it alike."
                : "Nothing unusual: no trace of an earlier compression is found.",
            Facts =
            [
                new("Frequencies with traces of an earlier compression", $"{used.Count} of {Frequencies}"),
                .. twice ? [new EvidenceFact("Steps of the earlier compression", string.Join(", ", used.Take(8).Select(u => $"{u.Model.FirstStep} (now {u.Model.SecondStep})")))] : Array.Empty<EvidenceFact>(),
                .. areas.Count > 0 ? [new EvidenceFact("Area", $"{areas.Sum(a => a.Count) * 100.0 / mean.Length:0.0} %")] : Array.Empty<EvidenceFact>(),
            ],
            Regions = Standouts.Boxes(areas, 8),
            Map = LevelMap.FromSquares(picture.Width, picture.Height, 8, wide, [.. mean.Select(m => twice ? 1 / (1 + MathF.Exp(-2 * (m - (Limit / 2)))) : 0)], 0, 1),
        };
    }

    /// <summary>What the coefficients would be without the last compression's grid: histograms of unit bins, from blocks shifted by four pixels (Bianchi and Piva's calibration).</summary>
    private static float[][] ShiftedHistograms(EvidencePicture picture)
    {
        var histograms = new float[Frequencies + 1][];
        for (int f = 0; f <= Frequencies; f++)
        {
            histograms[f] = new float[(2 * Span) + 1];
        }

        float* block = stackalloc float[64];
        for (int y = 4; y + 8 <= picture.Height; y += 8)
        {
            for (int x = 4; x + 8 <= picture.Width; x += 8)
            {
                BlockTransform.Forward(picture.Luminance + ((long)y * picture.Width) + x, picture.Width, block);
                for (int f = 1; f <= Frequencies; f++)
                {
                    int bin = Math.Clamp((int)MathF.Round(block[BlockTransform.ZigzagToNatural[f]]), -Span, Span);
                    // Natural histograms are symmetric: both sides get the count.
                    histograms[f][Span + bin] += 0.5f;
                    histograms[f][Span - bin] += 0.5f;
                }
            }
        }

        return histograms;
    }

    private static int[] Histogram(LuminanceCoefficients file, int wide, int high, int frequency)
    {
        var counts = new int[(2 * Model.Reach) + 1];
        for (int y = 0; y < high; y++)
        {
            for (int x = 0; x < wide; x++)
            {
                counts[Model.Reach + Math.Clamp((int)file.Values[(((y * file.BlocksWide) + x) * 64) + frequency], -Model.Reach, Model.Reach)]++;
            }
        }

        return counts;
    }

    /// <summary>How often each value of one frequency is expected after one and after two compressions.</summary>
    internal sealed class Model
    {
        /// <summary>Values beyond are counted as this.</summary>
        public const int Reach = 40;

        private readonly float[] logRatio;

        private Model(float[] logRatio, int first, int second, double share, double gain) => (this.logRatio, FirstStep, SecondStep, Share, Gain) = (logRatio, first, second, share, gain);

        public int FirstStep { get; }

        public int SecondStep { get; }

        /// <summary>Share of coefficients that were compressed twice.</summary>
        public double Share { get; }

        /// <summary>Log-likelihood for each coefficient above that of one compression, nats.</summary>
        public double Gain { get; }

        /// <summary>Log of how much likelier a value is after one compression than after two.</summary>
        public float LogRatio(int value) => logRatio[Reach + Math.Clamp(value, -Reach, Reach)];

        /// <summary>The first step that explains the histogram best; null when the frequency has nothing to say.</summary>
        public static Model? Fit(int[] counts, float[] fine, int secondStep)
        {
            double total = counts.Sum();
            // Mostly zeros: no gaps could be seen.
            if (total < 64 || secondStep < 1 || counts[Reach] > 0.97 * total)
            {
                return null;
            }

            double[] once = Expect(fine, 1, secondStep);
            double alone = Likelihood(counts, once, once, 0);
            Model? best = null;
            // Three of its multiples on either side must be among the values that are counted one by one.
            for (int first = 2; first <= Math.Min(MaxFirstStep, Reach * secondStep / 3); first++)
            {
                // A first step that divides the second, or equals it, leaves no gaps.
                if (secondStep % first == 0)
                {
                    continue;
                }

                double[] twice = Expect(fine, first, secondStep);
                foreach (double share in (double[])[0.15, 0.35, 0.6, 0.8, 0.95])
                {
                    double gain = (Likelihood(counts, once, twice, share) - alone) / total;
                    if (gain > (best?.Gain ?? 0))
                    {
                        best = new Model([.. once.Zip(twice, (o, t) => (float)Math.Clamp(Math.Log(o / t), -2, 2))], first, secondStep, share, gain);
                    }
                }
            }

            return best;
        }

        private static double Likelihood(int[] counts, double[] once, double[] twice, double share)
        {
            double sum = 0;
            for (int i = 0; i < counts.Length; i++)
            {
                if (counts[i] > 0)
                {
                    sum += counts[i] * Math.Log((share * twice[i]) + ((1 - share) * once[i]));
                }
            }

            return sum;
        }

        /// <summary>Probabilities of the values −Reach … Reach when coefficients distributed as <paramref name="fine"/> are rounded to the first step, blurred by pixel rounding, and rounded to the second.</summary>
        private static double[] Expect(float[] fine, int first, int second)
        {
            var expected = new double[(2 * Reach) + 1];
            int half = (fine.Length - 1) / 2;
            double total = 0;
            for (int k = -(half / first); k <= half / first; k++)
            {
                double mass = 0;
                int low = (int)Math.Ceiling((k - 0.5) * first), high = (int)Math.Ceiling((k + 0.5) * first) - 1;
                for (int u = Math.Max(low, -half); u <= Math.Min(high, half); u++)
                {
                    mass += fine[half + u];
                }

                if (mass == 0)
                {
                    continue;
                }

                total += mass;
                double centre = (double)k * first / second, blur = (first == 1 ? 0.3 : RoundingError) / second;
                int from = (int)Math.Round(centre - (4 * blur)), to = (int)Math.Round(centre + (4 * blur));
                for (int x = from; x <= to; x++)
                {
                    expected[Reach + Math.Clamp(x, -Reach, Reach)] += mass * (Below((x + 0.5 - centre) / blur) - Below((x - 0.5 - centre) / blur));
                }
            }

            // A little everywhere: no value is impossible in a photograph.
            for (int i = 0; i < expected.Length; i++)
            {
                expected[i] = (0.98 * expected[i] / Math.Max(total, 1)) + (0.02 / expected.Length);
            }

            return expected;
        }

        /// <summary>The normal distribution's integral (G. Pólya's approximation, error below 0.004).</summary>
        private static double Below(double z)
        {
            double half = 0.5 * Math.Sqrt(1 - Math.Exp(-2 * z * z / Math.PI));
            return z < 0 ? 0.5 - half : 0.5 + half;
        }
    }
}
