using Palimpsest.Imaging;

namespace Palimpsest.Inference;

/// <summary>
/// One item for a localizer network: a region of a prepared picture, resized when the network's input has another size, and turned as a viewer shows it: networks are trained on upright pictures.
/// </summary>
/// <param name="Image">The picture; must stay open until the answer is there.</param>
/// <param name="Source">What to look at.</param>
/// <param name="Width">Width of the network's input.</param>
/// <param name="Height">Height of the network's input.</param>
internal sealed record NetworkRequest(PreparedImage Image, Region Source, int Width, int Height)
{
    /// <summary>A region at its own size.</summary>
    public static NetworkRequest AtOwnSize(PreparedImage image, Region source)
    {
        var (width, height) = Turning.Size(source.Width, source.Height, image.Facts.Geometry.Orientation);
        return new(image, source, width, height);
    }

    /// <summary>EXIF orientation 1..8 of the picture's pixels.</summary>
    public int Orientation => Image.Facts.Geometry.Orientation;

    /// <summary>Size of the network's input before it is turned.</summary>
    public (int Width, int Height) Unturned => Turning.Size(Width, Height, Orientation);

    /// <summary>JPEG blocks mean something only on the file's own pixel grid.</summary>
    public bool KeepsPixelGrid => (Source.Width, Source.Height) == Unturned;

    /// <summary>True when the source is made of whole 8×8 blocks of the picture.</summary>
    public bool OnBlockGrid => KeepsPixelGrid && Source is { X: >= 0, Y: >= 0 } && ((Source.X | Source.Y | Width | Height) & 7) == 0;

    public long Pixels => (long)Width * Height;

    public bool SameShape(NetworkRequest other) => Width == other.Width && Height == other.Height;
}

/// <summary>What a network said about one item.</summary>
/// <param name="Score">Probability 0..1.</param>
/// <param name="Mask">Probabilities over the source region; null when the network gives none.</param>
/// <param name="Activation">Class-activation map over the source region, not negative; null when the network gives none.</param>
internal sealed record NetworkAnswer(double Score, Plane? Mask, Plane? Activation)
{
    /// <summary>Gives the planes' memory back once they are drawn.</summary>
    public void Return()
    {
        Mask?.Return();
        Activation?.Return();
    }
}
