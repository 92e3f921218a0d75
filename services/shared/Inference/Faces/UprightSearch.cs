using System.Buffers;
using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>Face search in the picture as a viewer shows it: a telephone held upright stores its pixels lying on their side, and networks know upright faces.</summary>
public static class UprightSearch
{
    /// <summary>As <see cref="IFaceFinder.Find"/>, of pixels in stored orientation; boxes and keypoints are in these.</summary>
    /// <param name="finder">Searches.</param>
    /// <param name="rgb">The analysed pixels, stored orientation, AnalysedHeight×AnalysedWidth×3 bytes.</param>
    /// <param name="geometry">Their size and orientation.</param>
    /// <param name="cancellationToken">Checked between runs of the network.</param>
    /// <exception cref="DetectorUnavailableException">No face model is loaded.</exception>
    public static IReadOnlyList<Face> FindUpright(this IFaceFinder finder, ReadOnlySpan<byte> rgb, ImageGeometry geometry, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(finder);
        ArgumentNullException.ThrowIfNull(geometry);
        if (geometry.Orientation == 1)
        {
            return finder.Find(rgb, geometry.AnalysedWidth, geometry.AnalysedHeight, cancellationToken);
        }

        byte[] turned = ArrayPool<byte>.Shared.Rent(rgb.Length);
        try
        {
            Turning.ApplyRgb(rgb, geometry.AnalysedWidth, geometry.AnalysedHeight, geometry.Orientation, turned);
            var upright = geometry.Upright;
            return [.. finder.Find(turned.AsSpan(0, rgb.Length), upright.AnalysedWidth, upright.AnalysedHeight, cancellationToken).Select(face => TurnBack(face, upright))];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(turned);
        }
    }

    private static Face TurnBack(Face face, ImageGeometry upright) => face with
    {
        Box = upright.ToDisplayed(face.Box),
        Keypoints = [.. face.Keypoints.Chunk(2).SelectMany(p =>
        {
            var (x, y) = upright.ToDisplayed(p[0], p[1]);
            return new[] { (float)x, (float)y };
        })],
    };
}
