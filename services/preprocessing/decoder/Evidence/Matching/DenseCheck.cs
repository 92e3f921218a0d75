namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>What remains of a group when pixels are compared.</summary>
/// <param name="Area">Pixels of the plane whose image looks the same.</param>
/// <param name="Mask">Those pixels.</param>
/// <param name="Grain">Correlation of the finest detail of both: near 1 for a copy, low for two things that only look alike.</param>
internal sealed record DenseCheck(int Area, bool[] Mask, double Grain)
{
    private const int Radius = 4;
    private const float LooksSame = 0.82f;

    /// <summary>Compares the plane with itself moved by a transform, around the group's points.</summary>
    public static DenseCheck Of(Plane plane, Plane detail, MatchGroup group)
    {
        int width = plane.Width, height = plane.Height;
        var t = group.Transform;
        float[] moved = Move(plane, t), fine = Move(detail, t);
        float[] same = Correlate(plane.Values, moved, width, height);
        var good = new float[same.Length];
        for (int i = 0; i < good.Length; i++)
        {
            var (x, y) = t.Apply(i % width, i / width);
            double far = ((x - (i % width)) * (x - (i % width))) + ((y - (i / width)) * (y - (i / width)));
            good[i] = same[i] > LooksSame && far > 4 * Radius * Radius && x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1 ? 1 : 0;
        }

        good = Grid.BoxMean(good, width, height, 3);
        bool[] mask = Connected(good, width, height, group);
        int area = mask.Count(m => m);
        return new DenseCheck(area, mask, area == 0 ? 0 : GrainOf(detail.Values, fine, mask));
    }

    private static float[] Move(Plane plane, Similarity t)
    {
        var moved = new float[plane.Values.Length];
        for (int y = 0, at = 0; y < plane.Height; y++)
        {
            for (int x = 0; x < plane.Width; x++, at++)
            {
                var (u, v) = t.Apply(x, y);
                moved[at] = u >= 0 && v >= 0 && u <= plane.Width - 1 && v <= plane.Height - 1 ? plane.Sample((float)u, (float)v) : 0;
            }
        }

        return moved;
    }

    /// <summary>Normalised correlation in windows of 9×9.</summary>
    private static float[] Correlate(float[] a, float[] b, int width, int height)
    {
        float[] ma = Grid.BoxMean(a, width, height, Radius), mb = Grid.BoxMean(b, width, height, Radius);
        float[] aa = Products(a, a), bb = Products(b, b), ab = Products(a, b);
        var result = new float[a.Length];
        for (int i = 0; i < result.Length; i++)
        {
            float va = aa[i] - (ma[i] * ma[i]), vb = bb[i] - (mb[i] * mb[i]);
            // Smooth surfaces all look the same: nothing is concluded from them.
            result[i] = va < 2 || vb < 2 ? 0 : (ab[i] - (ma[i] * mb[i])) / MathF.Sqrt(va * vb);
        }

        return result;

        float[] Products(float[] left, float[] right)
        {
            var products = new float[left.Length];
            for (int i = 0; i < products.Length; i++)
            {
                products[i] = left[i] * right[i];
            }

            return Grid.BoxMean(products, width, height, Radius);
        }
    }

    /// <summary>Good places that hang together with a match.</summary>
    private static bool[] Connected(float[] good, int width, int height, MatchGroup group)
    {
        var mask = new bool[good.Length];
        var open = new Stack<int>();
        foreach (var (from, _) in group.Matches)
        {
            int at = (Math.Clamp((int)MathF.Round(from.Y), 0, height - 1) * width) + Math.Clamp((int)MathF.Round(from.X), 0, width - 1);
            Visit(at);
        }

        while (open.TryPop(out int at))
        {
            int x = at % width, y = at / width;
            if (x > 0)
            {
                Visit(at - 1);
            }

            if (x < width - 1)
            {
                Visit(at + 1);
            }

            if (y > 0)
            {
                Visit(at - width);
            }

            if (y < height - 1)
            {
                Visit(at + width);
            }
        }

        return mask;

        void Visit(int at)
        {
            if (!mask[at] && good[at] > 0.6f)
            {
                mask[at] = true;
                open.Push(at);
            }
        }
    }

    /// <summary>Correlation of the detail, cut so that edges, which repeated things share, do not decide.</summary>
    private static double GrainOf(float[] a, float[] b, bool[] mask)
    {
        float typical = Grid.Median([.. a.Where((_, i) => mask[i]).Select(Math.Abs)]), most = Math.Max(1.5f * typical, 0.3f);
        double ab = 0, aa = 0, bb = 0;
        for (int i = 0; i < a.Length; i++)
        {
            if (mask[i])
            {
                float u = Math.Clamp(a[i], -most, most), v = Math.Clamp(b[i], -most, most);
                (ab, aa, bb) = (ab + (u * v), aa + (u * u), bb + (v * v));
            }
        }

        return ab / Math.Sqrt(Math.Max(aa * bb, 1e-9));
    }
}
