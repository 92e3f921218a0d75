using Palimpsest.Local.Evaluation;

namespace Palimpsest.Tests.Evaluation;

/// <summary>The metric code against definitions written out the slow way on tiny random arrays.</summary>
public sealed class MetricOracleTests
{
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Pixel_figures_equal_the_definitions(int seed)
    {
        var random = new Random(seed);
        int n = random.Next(1, 60);
        // Few distinct values, so that ties and the 127/128 edge occur often.
        byte[] levels = [0, 1, 100, 127, 128, 129, 200, 255];
        byte[] prediction = [.. Enumerable.Range(0, n).Select(_ => levels[random.Next(levels.Length)])];
        byte[] mask = [.. Enumerable.Range(0, n).Select(_ => random.Next(3) == 0 ? (byte)random.Next(120, 140) : random.Next(2) == 0 ? (byte)0 : (byte)255)];
        bool[] truth = [.. mask.Select(m => m > 127)];

        var measured = PixelMetrics.Of(prediction, mask);

        if (!truth.Contains(true))
        {
            measured.ShouldBeNull();
            return;
        }

        measured.ShouldNotBeNull();
        bool[] called = [.. prediction.Select(p => p / 255.0 > 0.5)];
        measured.F1.ShouldBe(F1(called, truth), 1e-12);
        measured.Iou.ShouldBe(Count(called, truth, (c, t) => c && t) / (double)Count(called, truth, (c, t) => c || t), 1e-12);
        measured.BestF1.ShouldBe(Enumerable.Range(1, 255).Max(threshold => F1([.. prediction.Select(p => p >= threshold)], truth)), 1e-12);
        if (truth.Contains(false))
        {
            measured.Auc!.Value.ShouldBe(PairwiseAuc([.. prediction.Zip(truth, (p, t) => new Judged(p, t))]), 1e-12);
        }
        else
        {
            measured.Auc.ShouldBeNull();
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Image_figures_equal_the_definitions(int seed)
    {
        var random = new Random(seed);
        Judged[] judged = [.. Enumerable.Range(0, random.Next(4, 50)).Select(i => new Judged(random.Next(0, 21) / 20.0, i == 0 || (i != 1 && random.Next(2) == 0)))];
        var measured = ImageMetrics.Of(judged);

        int positives = judged.Count(j => j.Positive), negatives = judged.Length - positives;
        int hits = judged.Count(j => j.Positive && j.Score > 0.5), rejections = judged.Count(j => !j.Positive && j.Score <= 0.5);
        double sensitivity = hits / (double)positives, specificity = rejections / (double)negatives;
        measured.Accuracy!.Value.ShouldBe((hits + rejections) / (double)judged.Length, 1e-12);
        measured.Sensitivity!.Value.ShouldBe(sensitivity, 1e-12);
        measured.Specificity!.Value.ShouldBe(specificity, 1e-12);
        measured.F1!.Value.ShouldBe(F1([.. judged.Select(j => j.Score > 0.5)], [.. judged.Select(j => j.Positive)]), 1e-12);
        measured.PaperF1!.Value.ShouldBe(sensitivity + specificity == 0 ? 0 : 2 * sensitivity * specificity / (sensitivity + specificity), 1e-12);
        measured.Auc!.Value.ShouldBe(PairwiseAuc(judged), 1e-12);
        measured.AveragePrecision!.Value.ShouldBe(AveragePrecision(judged), 1e-12);
        measured.FalseAlarmAt95Sensitivity!.Value.ShouldBe(
            judged.Select(j => j.Score).Distinct()
                .Where(t => judged.Count(j => j.Positive && j.Score >= t) * 100 >= positives * 95)
                .Min(t => judged.Count(j => !j.Positive && j.Score >= t) / (double)negatives), 1e-12);
        measured.Ece!.Value.ShouldBe(CalibrationError(judged), 1e-12);
    }

    [Fact]
    public void One_class_alone_has_no_ranking_figures()
    {
        var measured = ImageMetrics.Of([new Judged(0.2, false), new Judged(0.9, false)]);
        measured.Auc.ShouldBeNull();
        measured.AveragePrecision.ShouldBeNull();
        measured.FalseAlarmAt95Sensitivity.ShouldBeNull();
        measured.Sensitivity.ShouldBeNull();
        measured.F1.ShouldBeNull();
        measured.Specificity.ShouldBe(0.5);
        ImageMetrics.Of([]).Ece.ShouldBeNull();
    }

    [Fact]
    public void The_bootstrap_interval_repeats_and_covers_the_mean()
    {
        double[] values = [.. Enumerable.Range(0, 200).Select(i => (i % 7) / 6.0)];
        var interval = Bootstrap.OfMean(values)!;
        Bootstrap.OfMean(values).ShouldBe(interval);
        interval[0].ShouldBeLessThan(values.Average());
        interval[1].ShouldBeGreaterThan(values.Average());
        // Normal theory: ±1.96 standard errors; the bootstrap of a mean must come close.
        double error = Math.Sqrt(values.Average(v => Math.Pow(v - values.Average(), 2)) / values.Length);
        (interval[1] - interval[0]).ShouldBe(2 * 1.96 * error, 0.15 * 2 * 1.96 * error);
    }

    [Theory]
    [InlineData(0.5, 0)]
    [InlineData(0.975, 1.959964)]
    [InlineData(0.01, -2.326348)]
    [InlineData(0.8, 0.841621)]
    public void Normal_deviates_match_the_tables(double share, double deviate) => Plots.Deviate(share).ShouldBe(deviate, 1e-5);

    public static TheoryData<int> Seeds() => [.. Enumerable.Range(1, 200)];

    private static double F1(bool[] called, bool[] truth)
    {
        int hits = Count(called, truth, (c, t) => c && t), predicted = called.Count(c => c), real = truth.Count(t => t);
        double precision = predicted == 0 ? 0 : hits / (double)predicted, recall = hits / (double)real;
        return precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
    }

    private static int Count(bool[] a, bool[] b, Func<bool, bool, bool> both) => a.Where((value, i) => both(value, b[i])).Count();

    private static double PairwiseAuc(Judged[] judged)
    {
        double won = 0, pairs = 0;
        foreach (var p in judged.Where(j => j.Positive))
        {
            foreach (var n in judged.Where(j => !j.Positive))
            {
                pairs++;
                won += p.Score > n.Score ? 1 : p.Score.Equals(n.Score) ? 0.5 : 0;
            }
        }

        return won / pairs;
    }

    private static double AveragePrecision(Judged[] judged)
    {
        double sum = 0, before = 0;
        foreach (double t in judged.Select(j => j.Score).Distinct().OrderDescending())
        {
            double recall = judged.Count(j => j.Positive && j.Score >= t) / (double)judged.Count(j => j.Positive);
            sum += (recall - before) * judged.Count(j => j.Positive && j.Score >= t) / judged.Count(j => j.Score >= t);
            before = recall;
        }

        return sum;
    }

    private static double CalibrationError(Judged[] judged)
    {
        double sum = 0;
        for (int bin = 0; bin < 10; bin++)
        {
            var inside = judged.Where(j => (j.Score * 10 >= bin && j.Score * 10 < bin + 1) || (bin == 9 && j.Score >= 1)).ToList();
            if (inside.Count > 0)
            {
                sum += Math.Abs(inside.Sum(j => j.Score) - inside.Count(j => j.Positive)) / judged.Length;
            }
        }

        return sum;
    }
}
