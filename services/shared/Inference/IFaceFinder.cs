using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>Finds faces in decoded pixels. The seam between preprocessing and the face network.</summary>
public interface IFaceFinder
{
    /// <summary>
    /// Faces, most confident first; boxes and keypoints in the given pixels, boxes clipped to the picture.
    /// Empty when there are none. Thread-safe; blocks the calling thread while the network runs.
    /// </summary>
    /// <param name="rgb">RGB, <paramref name="height"/>×<paramref name="width"/>×3 bytes, rows without padding.</param>
    /// <param name="width">Pixels a row; at least 16.</param>
    /// <param name="height">Rows; at least 16.</param>
    /// <param name="cancellationToken">Checked between runs of the network.</param>
    /// <exception cref="DetectorUnavailableException">No face model is loaded: missing, or its SHA-256 does not match its card.</exception>
    IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken);
}
