namespace Palimpsest.Imaging.Vips;

/// <summary>Decoded pixels in native memory, rows without padding, one byte a value.</summary>
public sealed unsafe class VipsPixels : IDisposable
{
    private byte* data;
    private readonly long length;

    internal VipsPixels(byte* data, long length, int width, int height, int bands)
    {
        this.data = data;
        (this.length, Width, Height, Bands) = (length, width, height, bands);
    }

    /// <summary>Pixels a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Values a pixel.</summary>
    public int Bands { get; }

    /// <summary>First value; valid until disposed.</summary>
    public byte* Pointer => data;

    /// <summary>All values, height×width×bands; below 2 GB by the pixel limits.</summary>
    public Span<byte> Span => new(data, checked((int)length));

    /// <summary>One row, width×bands values.</summary>
    public Span<byte> Row(int y)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(y);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(y, Height);
        return new(data + ((long)y * Width * Bands), Width * Bands);
    }

    /// <summary>A libvips image over these pixels; must not outlive them.</summary>
    public VipsImage AsImage() => VipsImage.FromMemory(data, Width, Height, Bands);

    /// <inheritdoc/>
    public void Dispose()
    {
        VipsNative.Free(data);
        data = null;
    }
}
