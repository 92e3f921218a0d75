using System.Buffers.Binary;
using System.Text;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Tests.Imaging;

/// <summary>Pictures that tests make for themselves: smooth shapes with fine grain, like a photograph, the same for the same seed.</summary>
internal static class TestPictures
{
    /// <summary>RGB (or grey) pixels, height×width×bands.</summary>
    public static byte[] Pixels(int width, int height, int bands = 3, int seed = 1)
    {
        var random = new Random(seed);
        var pixels = new byte[width * height * bands];
        for (int y = 0, at = 0; y < height; y++)
        {
            for (int x = 0; x < width; x++)
            {
                double shape = 128 + (60 * Math.Sin((x + seed) / 17.0)) + (40 * Math.Cos(y / 11.0)) + (((x / 37) + (y / 29)) % 2 * 20);
                int grain = random.Next(-6, 7);
                for (int band = 0; band < bands; band++)
                {
                    pixels[at++] = (byte)Math.Clamp(shape + grain + (band * 9) - 9, 20, 235); // weak colours: no channel clips when they are converted
                }
            }
        }

        return pixels;
    }

    /// <summary>An encoded picture; <paramref name="saver"/> and arguments are libvips'.</summary>
    public static byte[] Encode(byte[] pixels, int width, int height, string saver, params (string, string)[] arguments) =>
        Encode(pixels, width, height, saver, null, arguments);

    /// <summary>An encoded picture with an integer metadata item, e.g. orientation.</summary>
    public static byte[] Encode(byte[] pixels, int width, int height, string saver, (string Name, int Value)? metadata, params (string, string)[] arguments) =>
        Encode(pixels, width, height, saver, metadata, pixels.Length == width * height ? "b-w" : "srgb", arguments);

    /// <summary>An encoded picture whose values mean what <paramref name="interpretation"/> says.</summary>
    public static unsafe byte[] Encode(
        byte[] pixels, int width, int height, string saver, (string Name, int Value)? metadata, string interpretation, params (string, string)[] arguments)
    {
        fixed (byte* data = pixels)
        {
            using var raw = VipsImage.FromMemory(data, width, height, pixels.Length / (width * height));
            using var image = raw.Apply("copy", ("interpretation", interpretation));
            if (metadata is { } item)
            {
                image.SetMetadata(item.Name, item.Value);
            }

            return image.Encode(saver, arguments);
        }
    }

    /// <summary>A JPEG of the standard picture.</summary>
    public static byte[] Jpeg(int width = 96, int height = 64, int quality = 90, params (string, string)[] arguments) =>
        Encode(Pixels(width, height), width, height, "jpegsave_buffer", [("Q", quality.ToString()), .. arguments]);

    /// <summary>A JPEG with a comment that asks a decoder with test hooks to misbehave.</summary>
    public static byte[] Poison(string what) => InsertSegment(Jpeg(), 0xFE, Encoding.ASCII.GetBytes("palimpsest-poison:" + what));

    /// <summary>Puts a marker segment right behind SOI.</summary>
    public static byte[] InsertSegment(byte[] jpeg, byte marker, byte[] body)
    {
        var segment = new byte[4 + body.Length];
        (segment[0], segment[1]) = (0xFF, marker);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), (ushort)(body.Length + 2));
        body.CopyTo(segment, 4);
        return [.. jpeg[..2], .. segment, .. jpeg[2..]];
    }

    /// <summary>A JPEG with EXIF written byte by byte: orientation and text tags of the first directory, optionally a GPS directory.</summary>
    public static byte[] WithExif(byte[] jpeg, int orientation, bool gps = false, params (ushort Tag, string Text)[] texts)
    {
        int entries = 1 + texts.Length + (gps ? 1 : 0);
        var tiff = new MemoryStream();
        using var writer = new BinaryWriter(tiff);
        writer.Write("II*\0"u8);
        writer.Write(8);
        writer.Write((ushort)entries);
        int free = 8 + 2 + (12 * entries) + 4;
        var tail = new MemoryStream();
        foreach (var (tag, text) in texts.Where(t => t.Tag < 0x112))
        {
            WriteText(tag, text);
        }

        WriteEntry(0x112, 3, 1, orientation);
        foreach (var (tag, text) in texts.Where(t => t.Tag > 0x112))
        {
            WriteText(tag, text);
        }

        if (gps)
        {
            WriteEntry(0x8825, 4, 1, free + (int)tail.Length);
            // One entry: GPSLatitudeRef = "N".
            tail.Write([1, 0, 1, 0, 2, 0, 2, 0, 0, 0, (byte)'N', 0, 0, 0, 0, 0, 0, 0]);
        }

        writer.Write(0);
        writer.Write(tail.ToArray());
        return InsertSegment(jpeg, 0xE1, [.. "Exif\0\0"u8, .. tiff.ToArray()]);

        void WriteText(ushort tag, string text)
        {
            byte[] bytes = [.. Encoding.ASCII.GetBytes(text), 0];
            WriteEntry(tag, 2, bytes.Length, free + (int)tail.Length);
            tail.Write(bytes);
            tail.Write(new byte[bytes.Length % 2]);
        }

        void WriteEntry(ushort tag, ushort type, int count, int value)
        {
            writer.Write(tag);
            writer.Write(type);
            writer.Write(count);
            writer.Write(value);
        }
    }

    /// <summary>A grey TIFF whose directory comes before its one uncompressed strip, as cameras write it.</summary>
    public static byte[] Tiff(int width, int height)
    {
        (ushort Tag, int Value)[] tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 0), (277, 1), (278, height), (279, width * height)];
        int strip = 8 + 2 + (12 * tags.Length) + 4;
        var file = new MemoryStream();
        using var writer = new BinaryWriter(file);
        writer.Write("II*\0"u8);
        writer.Write(8);
        writer.Write((ushort)tags.Length);
        foreach (var (tag, value) in tags)
        {
            writer.Write(tag);
            writer.Write((ushort)4);
            writer.Write(1);
            writer.Write(tag == 273 ? strip : value);
        }

        writer.Write(0);
        writer.Write(Pixels(width, height, 1));
        return file.ToArray();
    }

    /// <summary>A PNG that says it is so large and has almost no data.</summary>
    public static byte[] HugePng(int width, int height)
    {
        byte[] png = Encode(Pixels(32, 32), 32, 32, "pngsave_buffer");
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(16), width);
        BinaryPrimitives.WriteInt32BigEndian(png.AsSpan(20), height);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(29), ~Palimpsest.Imaging.Rendering.Crc32.Update(~0u, png.AsSpan(12, 17)));
        return png;
    }

    /// <summary>All pixels of an encoded picture as stored, RGB or grey bytes.</summary>
    public static unsafe byte[] Decode(byte[] encoded, string loader, out int width, out int height)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, encoded);
            using var image = VipsImage.Create(loader, ("filename", path));
            using var pixels = image.ToPixels();
            (width, height) = (pixels.Width, pixels.Height);
            return pixels.Span.ToArray();
        }
        finally
        {
            File.Delete(path);
        }
    }
}
