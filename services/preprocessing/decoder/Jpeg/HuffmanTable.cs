namespace Palimpsest.Decoder.Jpeg;

/// <summary>A canonical Huffman code (ITU-T T.81 Annex C): a look-up by the next nine bits, and the classic search for longer codes.</summary>
internal sealed class HuffmanTable
{
    /// <summary>Bits of the look-up.</summary>
    public const int FastBits = 9;

    private readonly int[] maxCode = new int[18];   // greatest code of each length, shifted up to 16 bits, plus one
    private readonly int[] offset = new int[17];    // index of a length's first symbol minus its first code
    private readonly byte[] symbols;
    private int[]? coefficients;

    private HuffmanTable(byte[] symbols) => this.symbols = symbols;

    /// <summary>By the next <see cref="FastBits"/> bits: length &lt;&lt; 8 | symbol; 0 for a longer or unused code.</summary>
    public ushort[] Fast { get; } = new ushort[1 << FastBits];

    /// <summary>Bits of <see cref="Coefficients"/>.</summary>
    public const int CoefficientBits = 11;

    /// <summary>
    /// For an AC table, by the next <see cref="CoefficientBits"/> bits: value &lt;&lt; 16 | zeros before it &lt;&lt; 8 | bits taken, where code and value lie whole in those bits: most coefficients
    /// are small. 0 elsewhere. (The idea of stb_image's fast_ac.)
    /// </summary>
    public int[] Coefficients => coefficients ??= CreateCoefficients();

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

    private int[] CreateCoefficients()
    {
        var entries = new int[1 << CoefficientBits];
        for (int next = 0; next < entries.Length; next++)
        {
            int code = Fast[next >> (CoefficientBits - FastBits)], category = code & 15, length = (code >> 8) + category;
            if (code == 0 || category == 0 || length > CoefficientBits)
            {
                continue;
            }

            int value = (next >> (CoefficientBits - length)) & ((1 << category) - 1);
            value -= value < 1 << (category - 1) ? (1 << category) - 1 : 0;
            entries[next] = (value << 16) | (((code >> 4) & 15) << 8) | length;
        }

        return entries;
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
