using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>Keypoints of one picture that look like other keypoints of it, by the generalised ratio test (I. Amerini et al., "A SIFT-based forensic method for copy-move attack detection…", 2011).</summary>
internal static class SelfMatches
{
    /// <summary>A neighbour counts when it is this much nearer than the next.</summary>
    private const float Ratio = 0.6f;

    private const int Neighbours = 5;

    /// <summary>Pairs of indices, each once.</summary>
    /// <param name="keypoints">All of them.</param>
    /// <param name="apart">Least distance, pixels: nearer ones are the same thing.</param>
    public static List<(Keypoint A, Keypoint B)> Find(IReadOnlyList<Keypoint> keypoints, float apart)
    {
        var all = new float[keypoints.Count * 128];
        for (int i = 0; i < keypoints.Count; i++)
        {
            keypoints[i].Descriptor.CopyTo(all, i * 128);
        }

        var pairs = new HashSet<(int, int)>();
        Span<float> best = stackalloc float[Neighbours];
        Span<int> which = stackalloc int[Neighbours];
        for (int i = 0; i < keypoints.Count; i++)
        {
            best.Fill(-1);
            which.Fill(-1);
            var own = keypoints[i];
            for (int j = 0; j < keypoints.Count; j++)
            {
                float dot = Dot(all, i * 128, j * 128);
                if (dot <= best[^1] || ((own.X - keypoints[j].X) * (own.X - keypoints[j].X)) + ((own.Y - keypoints[j].Y) * (own.Y - keypoints[j].Y)) < apart * apart)
                {
                    continue;
                }

                int place = Neighbours - 1;
                for (; place > 0 && best[place - 1] < dot; place--)
                {
                    (best[place], which[place]) = (best[place - 1], which[place - 1]);
                }

                (best[place], which[place]) = (dot, j);
            }

            for (int k = 0; k < Neighbours - 1 && which[k + 1] >= 0; k++)
            {
                // Distances of unit vectors: √(2 − 2·dot).
                if (2 - (2 * best[k]) >= Ratio * Ratio * (2 - (2 * best[k + 1])))
                {
                    break;
                }

                // All nearer ones count, when the gap comes after them.
                for (int n = 0; n <= k; n++)
                {
                    pairs.Add((Math.Min(i, which[n]), Math.Max(i, which[n])));
                }
            }
        }

        return [.. pairs.Select(p => (keypoints[p.Item1], keypoints[p.Item2]))];
    }

    private static float Dot(float[] values, int a, int b)
    {
        ref float start = ref MemoryMarshal.GetArrayDataReference(values);
        Vector256<float> sum0 = default, sum1 = default;
        for (int i = 0; i < 128; i += 16)
        {
            sum0 += Vector256.LoadUnsafe(ref start, (nuint)(a + i)) * Vector256.LoadUnsafe(ref start, (nuint)(b + i));
            sum1 += Vector256.LoadUnsafe(ref start, (nuint)(a + i + 8)) * Vector256.LoadUnsafe(ref start, (nuint)(b + i + 8));
        }

        return Vector256.Sum(sum0 + sum1);
    }
}
