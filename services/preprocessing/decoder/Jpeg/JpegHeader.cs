using System.Buffers.Binary;

namespace Palimpsest.Decoder.Jpeg;

/// <summary>One component of a frame (ITU-T T.81 B.2.2).</summary>
internal sealed record JpegComponent(byte Id, int Horizontal, int Vertical, int QuantisationTable);

/// <summary>
/// What a JPEG file says of itself before its first scan: frame, quantisation tables, Huffman tables, colour transform. Reads garbage without
/// throwing: what is not there or not sound is simply not found.
/// </summary>
internal sealed class JpegHeader
{
    private const byte Sof0 = 0xC0, Sof1 = 0xC1, Sof2 = 0xC2, Dht = 0xC4, Dac = 0xCC, Soi = 0xD8, Eoi = 0xD9, Sos = 0xDA, Dqt = 0xDB, Dri = 0xDD, App14 = 0xEE;

    private readonly int[]?[] quantisation = new int[4][];
    private int adobeTransform = -1;

    /// <summary>SOF marker: 0xC0 baseline, 0xC1 extended, 0xC2 progressive, others unsupported here; 0 when none was found.</summary>
    public byte Frame { get; private set; }

    /// <summary>Bits a sample.</summary>
    public int Precision { get; private set; }

    /// <summary>Pixels a row, as stored.</summary>
    public int Width { get; private set; }

    /// <summary>Rows, as stored.</summary>
    public int Height { get; private set; }

    /// <summary>In frame order; the first is luminance in every file we read coefficients of.</summary>
    public IReadOnlyList<JpegComponent> Components { get; private set; } = [];

    /// <summary>MCUs between restart markers; 0 for none.</summary>
    public int RestartInterval { get; private set; }

    /// <summary>The end-of-image marker was met.</summary>
    public bool Ended { get; private set; }

    /// <summary>The file ended where a marker or the rest of a segment should be.</summary>
    public bool RanOut { get; private set; }

    /// <summary>Tables 0..3 of DC codes.</summary>
    public HuffmanTable?[] Dc { get; } = new HuffmanTable?[4];

    /// <summary>Tables 0..3 of AC codes.</summary>
    public HuffmanTable?[] Ac { get; } = new HuffmanTable?[4];

    /// <summary>Progressive Huffman coding.</summary>
    public bool Progressive => Frame == Sof2;

    /// <summary>One component, or luminance and two colour differences: not RGB, CMYK or YCCK.</summary>
    public bool HasLuminance => Components.Count switch
    {
        1 => true,
        3 => adobeTransform != 0 && !(Components[0].Id == 'R' && Components[1].Id == 'G' && Components[2].Id == 'B'),
        _ => false,
    };

    /// <summary>True when the coefficients of the first component are a full-resolution 8-bit Huffman-coded luminance plane.</summary>
    public bool CoefficientsReadable =>
        Frame is Sof0 or Sof1 or Sof2 && Precision == 8 && Width > 0 && Height > 0 && HasLuminance
        && Components[0].Horizontal == Components.Max(c => c.Horizontal) && Components[0].Vertical == Components.Max(c => c.Vertical);

    /// <summary>The component's quantisation table, zigzag order, as defined so far; null when none is.</summary>
    public IReadOnlyList<int>? Table(int component) => component < Components.Count ? quantisation[Components[component].QuantisationTable] : null;

    /// <summary>
    /// Reads markers from <paramref name="position"/> to the next scan header and updates tables on the way.
    /// </summary>
    /// <returns>True at a scan: <paramref name="scan"/> is the SOS segment's body and <paramref name="position"/> the entropy-coded data behind it.</returns>
    public bool ReadToScan(ReadOnlySpan<byte> file, scoped ref int position, out ReadOnlySpan<byte> scan)
    {
        scan = default;
        while (NextMarker(file, ref position, out byte marker))
        {
            if (marker is Soi or (>= 0xD0 and <= 0xD7) or 0x01)
            {
                continue;
            }

            if (marker == Eoi)
            {
                Ended = true;
                return false;
            }

            int length = position + 2 <= file.Length ? BinaryPrimitives.ReadUInt16BigEndian(file[position..]) : int.MaxValue;
            if (length < 2 || length > file.Length - position)
            {
                RanOut = length >= 2;
                return false;
            }

            var body = file.Slice(position + 2, length - 2);
            position += length;
            if (marker == Sos)
            {
                scan = body;
                return true;
            }

            if (!ReadSegment(marker, body))
            {
                return false;
            }
        }

        RanOut = true;
        return false;
    }

    /// <summary>Finds the next marker, over entropy-coded data and fill bytes; leaves the position behind it.</summary>
    private static bool NextMarker(ReadOnlySpan<byte> file, scoped ref int position, out byte marker)
    {
        marker = 0;
        while (position < file.Length)
        {
            int ff = file[position..].IndexOf((byte)0xFF);
            if (ff < 0)
            {
                break;
            }

            position += ff + 1;
            while (position < file.Length && file[position] == 0xFF)
            {
                position++;
            }

            if (position < file.Length && file[position] != 0)
            {
                marker = file[position++];
                return true;
            }
        }

        position = file.Length;
        return false;
    }

    private bool ReadSegment(byte marker, ReadOnlySpan<byte> body)
    {
        switch (marker)
        {
            case Dqt:
                return ReadQuantisation(body);
            case Dht:
                return ReadHuffman(body);
            case Dri when body.Length >= 2:
                RestartInterval = BinaryPrimitives.ReadUInt16BigEndian(body);
                return true;
            case App14 when body.Length >= 12 && body.StartsWith("Adobe"u8):
                adobeTransform = body[11];
                return true;
            case >= 0xC0 and <= 0xCF and not Dac and not 0xC8:
                return ReadFrame(marker, body);
            default:
                return true;
        }
    }

    private bool ReadFrame(byte marker, ReadOnlySpan<byte> body)
    {
        if (Frame != 0 || body.Length < 6 || body.Length < 6 + (3 * body[5]) || body[5] is 0 or > 4)
        {
            return false;
        }

        var components = new JpegComponent[body[5]];
        for (int i = 0; i < components.Length; i++)
        {
            var c = body.Slice(6 + (3 * i), 3);
            components[i] = new JpegComponent(c[0], c[1] >> 4, c[1] & 15, c[2]);
            if (components[i].Horizontal is < 1 or > 4 || components[i].Vertical is < 1 or > 4 || c[2] > 3)
            {
                return false;
            }
        }

        (Frame, Precision, Components) = (marker, body[0], components);
        Height = BinaryPrimitives.ReadUInt16BigEndian(body[1..]);
        Width = BinaryPrimitives.ReadUInt16BigEndian(body[3..]);
        return true;
    }

    private bool ReadQuantisation(ReadOnlySpan<byte> body)
    {
        while (body.Length > 0)
        {
            int id = body[0] & 15, bytes = body[0] >> 4 == 0 ? 1 : 2;
            if (id > 3 || body.Length < 1 + (64 * bytes))
            {
                return false;
            }

            var table = new int[64];
            for (int k = 0; k < 64; k++)
            {
                table[k] = bytes == 1 ? body[1 + k] : BinaryPrimitives.ReadUInt16BigEndian(body[(1 + (2 * k))..]);
            }

            quantisation[id] = table;
            body = body[(1 + (64 * bytes))..];
        }

        return true;
    }

    private bool ReadHuffman(ReadOnlySpan<byte> body)
    {
        while (body.Length >= 17)
        {
            int id = body[0] & 15, count = 0;
            foreach (byte n in body.Slice(1, 16))
            {
                count += n;
            }

            if (id > 3 || body[0] >> 4 > 1 || count > 256 || body.Length < 17 + count
                || HuffmanTable.TryCreate(body.Slice(1, 16), body.Slice(17, count)) is not { } table)
            {
                return false;
            }

            (body[0] >> 4 == 0 ? Dc : Ac)[id] = table;
            body = body[(17 + count)..];
        }

        return body.Length == 0;
    }
}
