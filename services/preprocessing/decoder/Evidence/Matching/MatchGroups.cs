namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>Matches that one similarity explains: the geometric check.</summary>
/// <param name="Transform">From the first points to the second.</param>
/// <param name="Matches">At least <see cref="Fewest"/>.</param>
internal sealed record MatchGroup(Similarity Transform, IReadOnlyList<(Keypoint From, Keypoint To)> Matches)
{
    /// <summary>Root of the mean squared distance between a point's image and its partner, pixels: a copy's points lie where they must.</summary>
    public double Error => Math.Sqrt(Matches.Average(m =>
    {
        var (x, y) = Transform.Apply(m.From.X, m.From.Y);
        return ((x - m.To.X) * (x - m.To.X)) + ((y - m.To.Y) * (y - m.To.Y));
    }));

    private const int Fewest = 5;
    private const int Most = 4;
    private const int Hypotheses = 160;

    /// <summary>Pixels a point may be off at first, and in the end.</summary>
    private static readonly double[] Tolerances = [14, 6, 3];

    /// <summary>The groups, largest first; each match belongs to one. Every match by itself proposes a similarity, so nothing is drawn by chance.</summary>
    public static List<MatchGroup> Find(IReadOnlyList<(Keypoint A, Keypoint B)> matches)
    {
        var left = matches.ToList();
        var groups = new List<MatchGroup>();
        while (left.Count >= Fewest && groups.Count < Most)
        {
            MatchGroup? best = null;
            // With very many matches a sample of proposals is enough: a large group proposes itself often.
            int stride = Math.Max(1, left.Count / Hypotheses);
            for (int i = 0; i < left.Count; i += stride)
            {
                if (Grow(left, left[i]) is { } group && group.Matches.Count > (best?.Matches.Count ?? 0))
                {
                    best = group;
                }
            }

            if (best is null)
            {
                break;
            }

            groups.Add(best);
            var used = best.Matches.SelectMany(m => new[] { (m.From, m.To), (m.To, m.From) }).ToHashSet();
            left.RemoveAll(used.Contains);
        }

        return groups;
    }

    private static MatchGroup? Grow(List<(Keypoint A, Keypoint B)> matches, (Keypoint A, Keypoint B) seed)
    {
        var transform = Similarity.Between(seed.A, seed.B);
        if (transform.Scale is < 0.33 or > 3)
        {
            return null;
        }

        List<(Keypoint From, Keypoint To)> inliers = [];
        foreach (double tolerance in Tolerances)
        {
            inliers = [.. matches.Select(m => Close(transform, m.A, m.B, tolerance) ? m : (m.B, m.A)).Where(m => Close(transform, m.Item1, m.Item2, tolerance))];
            if (Distinct(inliers) < Fewest || Similarity.Fit(inliers) is not { Scale: > 0.33 and < 3 } fitted)
            {
                return null;
            }

            transform = fitted;
        }

        return new MatchGroup(transform, inliers);
    }

    private static bool Close(Similarity t, Keypoint from, Keypoint to, double tolerance)
    {
        var (x, y) = t.Apply(from.X, from.Y);
        return ((x - to.X) * (x - to.X)) + ((y - to.Y) * (y - to.Y)) <= tolerance * tolerance && to.Scale / from.Scale / t.Scale is > 0.6 and < 1.67;
    }

    /// <summary>Places, not keypoints: one corner may have several.</summary>
    private static int Distinct(List<(Keypoint From, Keypoint To)> inliers) => inliers.Select(m => ((int)m.From.X / 4, (int)m.From.Y / 4)).Distinct().Count();
}
