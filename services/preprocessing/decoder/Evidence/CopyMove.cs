using Palimpsest.Contracts;
using Palimpsest.Decoder.Evidence.Matching;

namespace Palimpsest.Decoder.Evidence;

/// <summary>
/// Copy-move: keypoints that look like other keypoints of the picture (D. Lowe 2004; I. Amerini et al. 2011), groups of them that one turn, scale and move explains, and a comparison of
/// the pixels under that transform. Repeated things (windows, tiles, print) match here and there and not exactly; a copy matches nearly everywhere.
/// </summary>
internal static class CopyMove
{
    /// <summary>Pixels that keypoints are sought in: larger pictures are reduced, small ones enlarged twice.</summary>
    private const double MostPixels = 1_000_000;

    private const double EnlargeBelow = 300_000;

    /// <summary>Least distance between an area and its copy, pixels of the reduced picture.</summary>
    private const float Apart = 20;

    /// <summary>Least area, pixels of the reduced picture.</summary>
    private const int FewestPixels = 500;

    // What tells a copy from repetition (docs/evidence.md has the figures): its points lie where they must, most of the area's points have a partner, and the grain is the same.
    private const double CopiedError = 1.05;
    private const double CopiedShare = 0.25;
    private const double CopiedGrain = 0.65;

    // A turned or scaled copy keeps fewer of its points, but those lie exactly; what only looks alike has few of them or is off.
    private const double ExactError = 0.8;
    private const double ExactShare = 0.15;

    /// <summary>Least area of a copy, share of the picture.</summary>
    private const double CopiedArea = 0.008;

    private const int MostPoints = 24;

    public static Look Examine(EvidencePicture picture)
    {
        double pixels = (double)picture.Width * picture.Height, scale = pixels > MostPixels ? Math.Sqrt(MostPixels / pixels) : pixels < EnlargeBelow ? 2 : 1;
        var plane = Plane.Resize(picture, Math.Max(32, (int)Math.Round(picture.Width * scale)), Math.Max(32, (int)Math.Round(picture.Height * scale)));
        double sx = (double)picture.Width / plane.Width, sy = (double)picture.Height / plane.Height;
        var keypoints = KeypointFinder.Find(plane);
        var matches = SelfMatches.Find(keypoints, Apart);
        var detail = Detail(plane, scale);
        var found = MatchGroup.Find(matches).Select(g => (Group: g, Check: DenseCheck.Of(plane, detail, g))).Where(f => f.Check.Area >= FewestPixels).Select(f => (f.Group, f.Check, Share: Matched(f.Group, f.Check, keypoints, plane.Width))).ToList();
        var copies = found.Where(f => f.Check.Grain >= CopiedGrain && Lies(f.Group.Error, f.Share) && f.Check.Area >= CopiedArea * f.Check.Mask.Length).OrderByDescending(f => f.Check.Area).ToList();
        var facts = new List<EvidenceFact>
        {
            new("Compared at", $"{plane.Width} x {plane.Height} pixels"), new("Keypoints", $"{keypoints.Count}"), new("Matches within the picture", $"{matches.Count}"),
        };
        foreach (var (group, check, share) in found)
        {
            facts.Add(new("Group of matches", $"{group.Matches.Count} points, {check.Area * 100.0 / check.Mask.Length:0.0} % of the picture, scale {group.Transform.Scale:0.00}, turned by {Math.Round(group.Transform.Degrees) + 0.0:0}°, grain correlation {check.Grain:0.00}, {share * 100:0} % of the area's points, {group.Error:0.0} pixels off"));
        }

        var map = new CopyMap(plane.Width, plane.Height);
        var pairs = copies.Select(c => Pair(c.Group, c.Check, map, sx, sy)).ToList();
        return new Look
        {
            Finding = copies.Count > 0 ? EvidenceFindings.Unusual : EvidenceFindings.NothingUnusual,
            Summary = copies.Count > 0 ? $"{(copies.Count == 1 ? "An area of the picture occurs" : $"{copies.Count} areas of the picture occur")} twice, down to the grain: one is a copy of the other."
                : found.Count > 0 ? "Nothing unusual: parts of the picture look alike, but as repeated things do, not as copies."
                : "Nothing unusual: no part of the picture occurs twice.",
            Facts = facts,
            Regions = [.. pairs.SelectMany(p => new[] { p.From, p.To }).Take(8)],
            Pairs = pairs,
            Map = map.ToLevels(picture.Width, picture.Height),
        };
    }

    private static bool Lies(double error, double share) => (error <= CopiedError && share >= CopiedShare) || (error <= ExactError && share >= ExactShare);

    /// <summary>Share of the area's keypoints that have a partner: nearly all in a copy, few in things that only look alike.</summary>
    private static double Matched(MatchGroup group, DenseCheck check, IReadOnlyList<Keypoint> keypoints, int width)
    {
        bool Inside(Keypoint k) => check.Mask[Math.Min(((int)k.Y * width) + (int)k.X, check.Mask.Length - 1)];
        int all = keypoints.Where(Inside).Select(k => (k.X, k.Y)).Distinct().Count(), matched = group.Matches.Select(m => m.From).Where(Inside).Select(k => (k.X, k.Y)).Distinct().Count();
        return all == 0 ? 0 : (double)matched / all;
    }

    /// <summary>The finest detail that is the picture's own: enlarging makes none.</summary>
    private static Plane Detail(Plane plane, double scale)
    {
        var detail = new Plane(plane.Width, plane.Height);
        var coarse = plane.Blur(scale > 1 ? 2 : 1);
        for (int i = 0; i < detail.Values.Length; i++)
        {
            detail.Values[i] = plane.Values[i] - coarse.Values[i];
        }

        return detail;
    }

    private static EvidencePair Pair(MatchGroup group, DenseCheck check, CopyMap map, double sx, double sy)
    {
        var (from, to) = map.Draw(check.Mask, group.Transform);
        int stride = Math.Max(1, group.Matches.Count / MostPoints);
        return new EvidencePair
        {
            From = Scaled(from, sx, sy),
            To = Scaled(to, sx, sy),
            Scale = Math.Round(group.Transform.Scale, 3),
            Rotation = Math.Round(group.Transform.Degrees, 1),
            Points = [.. group.Matches.Where((_, i) => i % stride == 0).Take(MostPoints).Select(m => (IReadOnlyList<double>)[(m.From.X + 0.5) * sx, (m.From.Y + 0.5) * sy, (m.To.X + 0.5) * sx, (m.To.Y + 0.5) * sy])],
        };
    }

    private static PixelBox Scaled(PixelBox box, double sx, double sy)
    {
        int x = (int)(box.X * sx), y = (int)(box.Y * sy);
        return new PixelBox { X = x, Y = y, Width = Math.Max(1, (int)((box.X + box.Width) * sx) - x), Height = Math.Max(1, (int)((box.Y + box.Height) * sy) - y) };
    }
}
