namespace Palimpsest.Decoder.Evidence.Matching;

/// <summary>x' = a·x − b·y + tx, y' = b·x + a·y + ty: turn, scale, move.</summary>
internal readonly record struct Similarity(double A, double B, double Tx, double Ty)
{
    /// <summary>Size of the image relative to the original.</summary>
    public double Scale => Math.Sqrt((A * A) + (B * B));

    /// <summary>Degrees, clockwise where y points down.</summary>
    public double Degrees => Math.Atan2(B, A) * 180 / Math.PI;

    public (double X, double Y) Apply(double x, double y) => ((A * x) - (B * y) + Tx, (B * x) + (A * y) + Ty);

    public Similarity Inverse()
    {
        double n = (A * A) + (B * B), a = A / n, b = -B / n;
        return new Similarity(a, b, -((a * Tx) - (b * Ty)), -((b * Tx) + (a * Ty)));
    }

    /// <summary>What takes one keypoint onto another, position, scale and direction.</summary>
    public static Similarity Between(Keypoint from, Keypoint to)
    {
        double scale = to.Scale / from.Scale, turn = to.Angle - from.Angle, a = scale * Math.Cos(turn), b = scale * Math.Sin(turn);
        return new Similarity(a, b, to.X - (a * from.X) + (b * from.Y), to.Y - (b * from.X) - (a * from.Y));
    }

    /// <summary>Least squares over pairs of points; null when they coincide.</summary>
    public static Similarity? Fit(IReadOnlyList<(Keypoint From, Keypoint To)> pairs)
    {
        double fx = pairs.Average(p => p.From.X), fy = pairs.Average(p => p.From.Y), tx = pairs.Average(p => p.To.X), ty = pairs.Average(p => p.To.Y), dot = 0, cross = 0, norm = 0;
        foreach (var (from, to) in pairs)
        {
            double x = from.X - fx, y = from.Y - fy, u = to.X - tx, v = to.Y - ty;
            dot += (x * u) + (y * v);
            cross += (x * v) - (y * u);
            norm += (x * x) + (y * y);
        }

        if (norm < 4)
        {
            return null;
        }

        double a = dot / norm, b = cross / norm;
        return new Similarity(a, b, tx - (a * fx) + (b * fy), ty - (b * fx) - (a * fy));
    }
}
