using System.Text.Json.Serialization;
using Palimpsest.Contracts;

namespace Palimpsest.Imaging;

/// <summary>
/// The three pixel grids of a picture. <i>Stored</i>: as decoded from the file. <i>Analysed</i>: stored, reduced when above the pixel limit;
/// faces and maps live here, and networks are shown it turned as displayed. <i>Displayed</i>: stored with EXIF orientation applied; the API speaks only of these.
/// </summary>
public sealed record ImageGeometry
{
    /// <summary>Pixels before orientation.</summary>
    public required int StoredWidth { get; init; }

    /// <summary>Pixels before orientation.</summary>
    public required int StoredHeight { get; init; }

    /// <summary>Pixels the networks see.</summary>
    public required int AnalysedWidth { get; init; }

    /// <summary>Pixels the networks see.</summary>
    public required int AnalysedHeight { get; init; }

    /// <summary>EXIF orientation 1..8 (TIFF 6.0 tag 274).</summary>
    public required int Orientation { get; init; }

    /// <summary>Orientations 5..8 swap the axes.</summary>
    [JsonIgnore]
    public bool SwapsAxes => Turning.SwapsAxes(Orientation);

    /// <summary>Width a viewer shows.</summary>
    [JsonIgnore]
    public int DisplayedWidth => SwapsAxes ? StoredHeight : StoredWidth;

    /// <summary>Height a viewer shows.</summary>
    [JsonIgnore]
    public int DisplayedHeight => SwapsAxes ? StoredWidth : StoredHeight;

    /// <summary>True when the networks saw fewer pixels than the file has.</summary>
    [JsonIgnore]
    public bool Reduced => AnalysedWidth != StoredWidth || AnalysedHeight != StoredHeight;

    /// <summary>The analysed pixels as a viewer shows them, as stored pixels of their own: its <see cref="ToDisplayed(double, double)"/> leads from there back to the analysed pixels.</summary>
    [JsonIgnore]
    public ImageGeometry Upright
    {
        get
        {
            var (width, height) = Turning.Size(AnalysedWidth, AnalysedHeight, Orientation);
            return new() { StoredWidth = width, StoredHeight = height, AnalysedWidth = width, AnalysedHeight = height, Orientation = Turning.Inverse(Orientation) };
        }
    }

    /// <summary>Maps a box from analysed pixels to displayed pixels, clipped to the picture.</summary>
    public PixelBox ToDisplayed(PixelBox box)
    {
        ArgumentNullException.ThrowIfNull(box);
        var (x0, y0) = ToDisplayed(box.X, box.Y);
        var (x1, y1) = ToDisplayed(box.X + box.Width, box.Y + box.Height);
        int left = Clip(Math.Min(x0, x1), DisplayedWidth), right = Clip(Math.Max(x0, x1), DisplayedWidth);
        int top = Clip(Math.Min(y0, y1), DisplayedHeight), bottom = Clip(Math.Max(y0, y1), DisplayedHeight);
        return new PixelBox { X = left, Y = top, Width = right - left, Height = bottom - top };

        static int Clip(double value, int limit) => (int)Math.Clamp(Math.Round(value, MidpointRounding.AwayFromZero), 0, limit);
    }

    /// <summary>Maps a point (pixel edges, not centres) from analysed to displayed coordinates.</summary>
    public (double X, double Y) ToDisplayed(double x, double y)
    {
        double sx = x * StoredWidth / AnalysedWidth, sy = y * StoredHeight / AnalysedHeight;
        double w = StoredWidth, h = StoredHeight;
        return Orientation switch
        {
            2 => (w - sx, sy),
            3 => (w - sx, h - sy),
            4 => (sx, h - sy),
            5 => (sy, sx),
            6 => (h - sy, sx),
            7 => (h - sy, w - sx),
            8 => (sy, w - sx),
            _ => (sx, sy),
        };
    }
}
