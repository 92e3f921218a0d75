namespace Palimpsest.Decoder.Jpeg;

/// <summary>A scan header (ITU-T T.81 B.2.3), checked against its frame and with its Huffman tables looked up.</summary>
internal sealed class Scan
{
    private Scan(JpegComponent[] components) => Components = components;

    /// <summary>In scan order.</summary>
    public JpegComponent[] Components { get; }

    /// <summary>By index in the scan; null where the scan needs none.</summary>
    public HuffmanTable?[] Dc { get; } = new HuffmanTable?[4];

    /// <summary>By index in the scan; null where the scan needs none.</summary>
    public HuffmanTable?[] Ac { get; } = new HuffmanTable?[4];

    /// <summary>First zigzag index of the band.</summary>
    public int First { get; private init; }

    /// <summary>Last zigzag index of the band.</summary>
    public int Last { get; private init; }

    /// <summary>True when an earlier scan gave the higher bits.</summary>
    public bool Refines { get; private init; }

    /// <summary>Low bits not sent by this scan.</summary>
    public int Shift { get; private init; }

    /// <summary>Index of the frame's first component in this scan; −1 when it is not in it.</summary>
    public int Luminance { get; private init; }

    /// <summary>Parses an SOS segment's body; null when it makes no sense for the frame.</summary>
    public static Scan? TryParse(ReadOnlySpan<byte> body, JpegHeader header)
    {
        if (body.Length < 6 || body[0] is 0 or > 4 || body.Length < 4 + (2 * body[0]))
        {
            return null;
        }

        int count = body[0];
        var tail = body[(1 + (2 * count))..];
        var components = new JpegComponent[count];
        for (int i = 0; i < count; i++)
        {
            byte id = body[1 + (2 * i)];
            if (header.Components.FirstOrDefault(c => c.Id == id) is not { } component || Array.IndexOf(components, component, 0, i) >= 0)
            {
                return null;
            }

            components[i] = component;
        }

        var scan = new Scan(components)
        {
            First = header.Progressive ? tail[0] : 0,
            Last = header.Progressive ? tail[1] : 63,
            Refines = header.Progressive && tail[2] >> 4 != 0,
            Shift = header.Progressive ? tail[2] & 15 : 0,
            Luminance = Array.IndexOf(components, header.Components[0]),
        };
        return scan.IsSound(header.Progressive) && scan.FindTables(body, header) ? scan : null;
    }

    private bool IsSound(bool progressive) =>
        !progressive || (First <= Last && Last <= 63 && Shift <= 13 && (First == 0 ? Last == 0 : Components.Length == 1));

    private bool FindTables(ReadOnlySpan<byte> body, JpegHeader header)
    {
        bool needsDc = First == 0 && !Refines, needsAc = !header.Progressive || First > 0;
        for (int i = 0; i < Components.Length; i++)
        {
            int ids = body[2 + (2 * i)];
            if ((ids >> 4) > 3 || (ids & 15) > 3)
            {
                return false;
            }

            (Dc[i], Ac[i]) = (header.Dc[ids >> 4], header.Ac[ids & 15]);
            if ((needsDc && Dc[i] is null) || (needsAc && Ac[i] is null))
            {
                return false;
            }
        }

        return true;
    }
}
