using Palimpsest.Contracts;

namespace Palimpsest.Imaging;

/// <summary>Everything preprocessing learned about an upload, except the pixels. Stored as JSON in the prepared image's trailer.</summary>
public sealed record ImageFacts
{
    /// <summary>jpeg, png, webp, tiff, gif or avif.</summary>
    public required string Format { get; init; }

    /// <summary>Sizes and orientation: displayed, stored and analysed pixels.</summary>
    public required ImageGeometry Geometry { get; init; }

    /// <summary>Frames or pages in the file; only the first is analysed.</summary>
    public int Frames { get; init; } = 1;

    /// <summary>JPEG facts; null for other formats.</summary>
    public JpegFacts? Jpeg { get; init; }

    /// <summary>EXIF and other metadata worth showing; never coordinates.</summary>
    public MetadataFacts Metadata { get; init; } = new();

    /// <summary>Faces, most confident first; boxes in analysed pixels, stored orientation.</summary>
    public IReadOnlyList<Face> Faces { get; init; } = [];

    /// <summary>Plain sentences for the client.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary><see cref="PerceptualHash"/> of the analysed pixels as they are shown, 16 hex digits; null in what an older version prepared, and in the facts that are kept with a report.</summary>
    public string? LooksLike { get; init; }
}

/// <summary>A JPEG file's own traces.</summary>
public sealed record JpegFacts
{
    /// <summary>Luminance quantisation table, 64 entries, zigzag order as in the file.</summary>
    public required IReadOnlyList<int> LuminanceTable { get; init; }

    /// <summary>Chrominance quantisation table, zigzag order; null for grey files.</summary>
    public IReadOnlyList<int>? ChrominanceTable { get; init; }

    /// <summary>Quality 1..100 of the IJG table nearest to the luminance table.</summary>
    public required int QualityEstimate { get; init; }

    /// <summary>True when the luminance table is exactly the IJG table of that quality.</summary>
    public required bool StandardTable { get; init; }

    /// <summary>E.g. 4:2:0.</summary>
    public required string Subsampling { get; init; }

    /// <summary>Progressive rather than baseline.</summary>
    public required bool Progressive { get; init; }
}

/// <summary>Metadata findings. GPS is only ever "present".</summary>
public sealed record MetadataFacts
{
    /// <summary>Camera maker.</summary>
    public string? Make { get; init; }

    /// <summary>Camera model.</summary>
    public string? Model { get; init; }

    /// <summary>Software that wrote the file.</summary>
    public string? Software { get; init; }

    /// <summary>When the picture was taken, as written.</summary>
    public string? TakenAt { get; init; }

    /// <summary>When the file was last changed, as written.</summary>
    public string? ModifiedAt { get; init; }

    /// <summary>EXIF present at all.</summary>
    public bool HasExif { get; init; }

    /// <summary>Coordinates present (never shown).</summary>
    public bool HasGps { get; init; }

    /// <summary>Embedded thumbnail present.</summary>
    public bool HasThumbnail { get; init; }

    /// <summary>XMP present.</summary>
    public bool HasXmp { get; init; }

    /// <summary>JUMBF / C2PA box present (signature not verified).</summary>
    public bool HasC2pa { get; init; }

    /// <summary>IPTC digital source type, when stated (e.g. trainedAlgorithmicMedia).</summary>
    public string? DigitalSourceType { get; init; }
}

/// <summary>A face; analysed pixels, stored orientation.</summary>
public sealed record Face
{
    /// <summary>Bounding box; may be cut by the picture's edge.</summary>
    public required PixelBox Box { get; init; }

    /// <summary>0..1.</summary>
    public required double Confidence { get; init; }

    /// <summary>Right eye, left eye, nose tip, mouth, right ear, left ear: x0,y0,x1,y1,… in pixels.</summary>
    public required IReadOnlyList<float> Keypoints { get; init; }
}
