namespace Palimpsest.Decoder.Jpeg;

/// <summary>A canonical Huffman code (ITU-T T.81 Annex C): a look-up by the next nine bits, and the classic search for longer codes.</summary>
internal sealed class HuffmanTable
{
    /// <summary>Bits of the look-up.</summary>
    public const int FastBits = 9;

    private readonly int[] maxCode = new int[18];   // greatest code of each length, shifted up to 16 bits, plus one
    private readonly int[] offset = new int[17];    // index of a length's first symbol minus its first code
    private readonly byte[] symbols;

    private HuffmanTable(byte[] symbols) => this.symbols = symbols;

    /// <summary>By the next <see cref="FastBits"/> bits: length &lt;&lt; 8 | symbol; 0 for a longer or unused code.</summary>
    public ushort[] Fast { get; } = new ushort[1 << FastBits];

    /// <summary>Builds the table; null when the lengths do not form a prefix code.</summary>
    public static HuffmanTable? TryCreate(ReadOnlySpan<byte> counts, ReadOnlySpan<byte> symbols)
    {
        var table = new HuffmanTable(symbols.ToArray());
        int code = 0, index = 0;
        for (int length = 1; length <= 16; length++)
        {
            table.offset[length] = index - code;
            for (int i = 0; i < counts[length - 1]; i++, code++, index++)
            {
                if (length <= FastBits && code < 1 << length)
                {
                    int first = code << (FastBits - length);
                    table.Fast.AsSpan(first, 1 << (FastBits - length)).Fill((ushort)((length << 8) | symbols[index]));
                }
            }

            if (code > 1 << length)
            {
                return null;
            }

            table.maxCode[length] = code << (16 - length);
            code <<= 1;
        }

        table.maxCode[17] = int.MaxValue;
        return table;
    }

    /// <summary>Finds a code longer than <see cref="FastBits"/> in the next 16 bits; false when there is none.</summary>
    public bool TryFindLong(int next16, out int length, out byte symbol)
    {
        length = FastBits + 1;
        while (length <= 16 && next16 >= maxCode[length])
        {
            length++;
        }

        int index = length <= 16 ? (next16 >> (16 - length)) + offset[length] : -1;
        bool found = (uint)index < (uint)symbols.Length;
        symbol = found ? symbols[index] : (byte)0;
        return found;
    }
}
