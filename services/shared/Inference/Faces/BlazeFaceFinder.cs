using Microsoft.Extensions.Logging;
using Palimpsest.Contracts;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// Finds faces with BlazeFace: over the whole picture, or over overlapping tiles when the picture is so large that a face worth
/// examining would be too small for the network. What is found is looked at again, alone in its own square, which sharpens the box and
/// removes most false faces.
/// </summary>
public sealed class BlazeFaceFinder : IFaceFinder, IDisposable
{
    private const string BackSha256 = "a5762fd05020978b0ebff2a4232b09e15a8c7fde75280a51c2867ea36f358d12";
    private const string FrontSha256 = "ba1dac7a90723fc24463cb3e30fbdddcd4b57d126d9eeee5f4da2f229703a4fb";

    /// <summary>The networks' files below the models folder.</summary>
    internal const string BackFile = "blazeface/blazeface-back-256.onnx", FrontFile = "blazeface/blazeface-front-128.onnx";

    /// <summary>Fewer rows or columns of the picture than this, pixels, show no face.</summary>
    private const int FewestPixels = 4;

    private readonly BlazeFaceNetwork? back;
    private readonly BlazeFaceNetwork? front;
    private readonly FaceSearchOptions options;

    /// <summary>Loads both networks; a missing or wrong file is reported by <see cref="Unavailable"/> and at the first search.</summary>
    /// <param name="modelsFolder">Folder that holds <c>blazeface/</c>.</param>
    /// <param name="options">Thresholds and limits; null: defaults.</param>
    /// <param name="logger">Log.</param>
    public BlazeFaceFinder(string modelsFolder, FaceSearchOptions? options, ILogger<BlazeFaceFinder> logger)
    {
        this.options = options ?? new FaceSearchOptions();
        try
        {
            back = new BlazeFaceNetwork(Path.Combine(modelsFolder, BackFile), BackSha256, 256, logger);
            front = new BlazeFaceNetwork(Path.Combine(modelsFolder, FrontFile), FrontSha256, 128, logger);
        }
        catch (DetectorUnavailableException e)
        {
            back?.Dispose();
            (back, Unavailable) = (null, e.Message);
        }
    }

    /// <summary>Why no face can be found; null when all is well.</summary>
    public string? Unavailable { get; }

    /// <inheritdoc/>
    public IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken)
    {
        if (back is null || front is null)
        {
            throw new DetectorUnavailableException(Unavailable!);
        }

        // In so small a picture a face large enough to be examined fills a third of the square: that is what the front network was made for, at a quarter of the work.
        var (search, confirm) = Math.Max(width, height) <= 3 * options.MinSide ? (front, back) : (back, front);
        var candidates = new List<FaceCandidate>();
        foreach (var row in FaceSearchGrid.Rows(FaceSearchGrid.Squares(width, height, options)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            foreach (var (square, found) in row.Zip(search.Run(rgb, width, height, row, options.Candidate, cancellationToken)))
            {
                candidates.AddRange(found.Where(face => !CutByTile(face, square, width, height)));
            }
        }

        var faces = new List<FaceCandidate>();
        foreach (var candidate in FaceMerging.Best(candidates).Where(face => Math.Max(face.Values[2], face.Values[3]) >= options.MinSide).Take(options.MaxFaces))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (Confirmed(confirm, candidate, rgb, width, height) is { } face)
            {
                faces.Add(face);
            }
        }

        return [.. FaceMerging.Best(faces).Select(face => ToFace(face, width, height))];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        back?.Dispose();
        front?.Dispose();
    }

    /// <summary>The candidate seen again in a square of its own, by the other network; null when that one sees no face there.</summary>
    private FaceCandidate? Confirmed(BlazeFaceNetwork confirm, FaceCandidate candidate, ReadOnlySpan<byte> rgb, int width, int height)
    {
        int side = Math.Max(16, (int)(Math.Max(candidate.Values[2], candidate.Values[3]) * options.ConfirmMargin));
        var square = new Region((int)(candidate.Values[0] - (side / 2f)), (int)(candidate.Values[1] - (side / 2f)), side, side);
        if (!ReachesInto(square, width, height))
        {
            return null; // the other network thought it saw a face in the black around the picture
        }

        var again = confirm.Run(rgb, width, height, square, 0.1f).OrderByDescending(face => face.Score * face.Overlap(candidate)).FirstOrDefault();
        if (again is null || again.Overlap(candidate) < 0.3f)
        {
            return null;
        }

        // Two networks, one mean in log-odds: both must lean the same way, or one must be very sure.
        float logit = (Logit(candidate.Score) + Logit(again.Score)) / 2, score = 1 / (1 + MathF.Exp(-logit));
        return score < options.Accept ? null : new FaceCandidate(score, [.. candidate.Values.Zip(again.Values, (a, b) => (a + b) / 2)]);
    }

    /// <summary>Does a square show anything of the picture?</summary>
    internal static bool ReachesInto(Region square, int width, int height) =>
        Math.Min(width, square.X + square.Width) - Math.Max(0, square.X) >= FewestPixels && Math.Min(height, square.Y + square.Height) - Math.Max(0, square.Y) >= FewestPixels;

    private static float Logit(float p) => MathF.Log(Math.Clamp(p, 1e-6f, 1 - 1e-6f) / (1 - Math.Clamp(p, 1e-6f, 1 - 1e-6f)));

    /// <summary>A box that touches the border of a tile inside the picture is a part of a face; the neighbour sees it whole.</summary>
    private static bool CutByTile(FaceCandidate face, Region square, int width, int height)
    {
        float slack = 0.02f * square.Width;
        return (square.X > 0 && face.Left < square.X + slack) || (square.Y > 0 && face.Top < square.Y + slack)
            || (square.X + square.Width < width && face.Right > square.X + square.Width - slack)
            || (square.Y + square.Height < height && face.Bottom > square.Y + square.Height - slack);
    }

    private static Face ToFace(FaceCandidate face, int width, int height)
    {
        int left = Math.Clamp((int)MathF.Round(face.Left), 0, width - 1), top = Math.Clamp((int)MathF.Round(face.Top), 0, height - 1);
        int right = Math.Clamp((int)MathF.Round(face.Right), left + 1, width), bottom = Math.Clamp((int)MathF.Round(face.Bottom), top + 1, height);
        return new Face
        {
            Box = new PixelBox { X = left, Y = top, Width = right - left, Height = bottom - top },
            Confidence = Math.Round(face.Score, 4),
            Keypoints = face.Values[4..],
        };
    }
}
