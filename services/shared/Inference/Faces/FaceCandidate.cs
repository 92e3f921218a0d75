namespace Palimpsest.Inference;

/// <summary>A possible face.</summary>
/// <param name="Score">Confidence 0..1.</param>
/// <param name="Values">Centre x, centre y, width, height, then six keypoints x, y; pixels.</param>
internal sealed record FaceCandidate(float Score, float[] Values)
{
    public float Left => Values[0] - (Values[2] / 2);

    public float Top => Values[1] - (Values[3] / 2);

    public float Right => Values[0] + (Values[2] / 2);

    public float Bottom => Values[1] + (Values[3] / 2);

    public float Area => Values[2] * Values[3];

    public float Intersection(FaceCandidate other) =>
        Math.Max(0, Math.Min(Right, other.Right) - Math.Max(Left, other.Left)) * Math.Max(0, Math.Min(Bottom, other.Bottom) - Math.Max(Top, other.Top));

    public float Overlap(FaceCandidate other)
    {
        float common = Intersection(other);
        return common / (Area + other.Area - common);
    }
}

/// <summary>Turns many overlapping candidates into faces.</summary>
internal static class FaceMerging
{
    private const float SameFace = 0.3f;

    /// <summary>MediaPipe's weighted suppression: candidates that overlap the best one are averaged with it, by score.</summary>
    public static List<FaceCandidate> Weighted(List<FaceCandidate> candidates)
    {
        var open = candidates.OrderByDescending(candidate => candidate.Score).ToList();
        var faces = new List<FaceCandidate>();
        while (open.Count > 0)
        {
            var best = open[0];
            var group = open.FindAll(candidate => ReferenceEquals(candidate, best) || candidate.Overlap(best) > SameFace);
            open.RemoveAll(group.Contains);
            float total = group.Sum(candidate => candidate.Score);
            var mean = new float[best.Values.Length];
            foreach (var candidate in group)
            {
                for (int k = 0; k < mean.Length; k++)
                {
                    mean[k] += candidate.Values[k] * candidate.Score / total;
                }
            }

            faces.Add(best with { Values = mean });
        }

        return faces;
    }

    /// <summary>Across scales the better view wins: no averaging of a sharp box with a coarse one. A box inside another is the same face.</summary>
    public static List<FaceCandidate> Best(IEnumerable<FaceCandidate> candidates)
    {
        var faces = new List<FaceCandidate>();
        foreach (var candidate in candidates.OrderByDescending(candidate => candidate.Score))
        {
            if (faces.TrueForAll(face => face.Overlap(candidate) <= SameFace && face.Intersection(candidate) <= 0.6f * Math.Min(face.Area, candidate.Area)))
            {
                faces.Add(candidate);
            }
        }

        return faces;
    }
}
