namespace Palimpsest.Local.Evaluation;

/// <summary>A picture's score and whether it is manipulated.</summary>
internal readonly record struct Judged(double Score, bool Positive);

/// <summary>One operating point: everything scored at or above the threshold is called manipulated.</summary>
internal readonly record struct RocPoint(double Threshold, double FalseAlarm, double Sensitivity, double Precision);

/// <summary>
/// The operating points of a set of scores, equal scores together, strictest threshold first. Needs both classes; without, <see cref="Points"/> is empty
/// and every figure null.
/// </summary>
internal sealed class RocCurve
{
    private RocCurve(IReadOnlyList<RocPoint> points) => Points = points;

    /// <summary>From (0, 0) exclusive to (1, 1) inclusive.</summary>
    public IReadOnlyList<RocPoint> Points { get; }

    public static RocCurve Of(IEnumerable<Judged> judged)
    {
        var sorted = judged.OrderByDescending(j => j.Score).ToList();
        int positives = sorted.Count(j => j.Positive), negatives = sorted.Count - positives;
        var points = new List<RocPoint>();
        int hits = 0, alarms = 0;
        for (int i = 0; positives > 0 && negatives > 0 && i < sorted.Count; i++)
        {
            if (sorted[i].Positive)
            {
                hits++;
            }
            else
            {
                alarms++;
            }

            if (i == sorted.Count - 1 || sorted[i + 1].Score < sorted[i].Score)
            {
                points.Add(new RocPoint(sorted[i].Score, (double)alarms / negatives, (double)hits / positives, (double)hits / (hits + alarms)));
            }
        }

        return new RocCurve(points);
    }

    /// <summary>Area under the ROC curve by trapezoids: the probability that a manipulated picture scores higher, ties half.</summary>
    public double? Auc()
    {
        if (Points.Count == 0)
        {
            return null;
        }

        double area = 0, x = 0, y = 0;
        foreach (var point in Points)
        {
            area += (point.FalseAlarm - x) * (point.Sensitivity + y) / 2;
            (x, y) = (point.FalseAlarm, point.Sensitivity);
        }

        return area;
    }

    /// <summary>Average precision: Σ (R_n − R_{n−1})·P_n, without interpolation.</summary>
    public double? AveragePrecision()
    {
        if (Points.Count == 0)
        {
            return null;
        }

        double sum = 0, recall = 0;
        foreach (var point in Points)
        {
            sum += (point.Sensitivity - recall) * point.Precision;
            recall = point.Sensitivity;
        }

        return sum;
    }

    /// <summary>The smallest false-alarm rate at which at least this share of the manipulated pictures is found.</summary>
    public double? FalseAlarmAt(double sensitivity)
    {
        foreach (var point in Points)
        {
            // The points come strictest first, so the first that reaches it has the fewest false alarms; the slack is for 19/20 against 0.95.
            if (point.Sensitivity >= sensitivity - 1e-12)
            {
                return point.FalseAlarm;
            }
        }

        return null;
    }
}
