using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Decoder.Jpeg;

/// <summary>One way to code a block of 64 coefficients; a struct each, so that the scan loop is compiled for it without virtual calls.</summary>
internal unsafe interface IBlockCoder
{
    /// <summary>Reads what this scan has for one block, zigzag order.</summary>
    /// <param name="reader">The scan's bits.</param>
    /// <param name="component">Index in the scan, 0..3.</param>
    /// <param name="block">64 values; for sequential coding and the first pass of a band they must be zero before.</param>
    /// <returns>False for an impossible code.</returns>
    bool TryRead(ref EntropyReader reader, int component, short* block);

    /// <summary>Forgets predictions and runs, as at a restart marker.</summary>
    void Reset();
}

/// <summary>The Huffman tables and DC predictions of the up to four components of a scan.</summary>
[StructLayout(LayoutKind.Auto)]
internal struct ScanTables
{
    public HuffmanTable?[] Dc;
    public HuffmanTable?[] Ac;
    public int[] Prediction;

    public readonly bool TryReadDc(ref EntropyReader reader, int component, out int value)
    {
        int category = reader.Symbol(Dc[component]!);
        if ((uint)category > 15)
        {
            value = 0;
            return false;
        }

        value = Prediction[component] = unchecked(Prediction[component] + reader.Extend(category));
        return true;
    }
}

/// <summary>Baseline and extended sequential coding (T.81 F.2).</summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct SequentialCoder(ScanTables tables) : IBlockCoder
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly bool TryRead(ref EntropyReader reader, int component, short* block)
    {
        if (!tables.TryReadDc(ref reader, component, out int dc))
        {
            return false;
        }

        block[0] = (short)dc;
        var bits = reader; // a copy on the stack lets the compiler keep it in registers
        var ac = tables.Ac[component]!;
        ref int small = ref MemoryMarshal.GetArrayDataReference(ac.Coefficients);
        for (int k = 1; k < 64;)
        {
            bits.Fill();
            int entry = Unsafe.Add(ref small, bits.Peek(HuffmanTable.CoefficientBits));
            if (entry != 0)
            {
                k += (entry >> 8) & 15;
                if (k > 63)
                {
                    return false;
                }

                block[k++] = (short)(entry >> 16);
                bits.Skip(entry & 0xFF);
                continue;
            }

            int symbol = bits.Symbol(ac), category = symbol & 15;
            if (category == 0)
            {
                if (symbol != 0xF0)
                {
                    break;
                }

                k += 16;
                continue;
            }

            k += symbol >> 4;
            if (symbol < 0 || k > 63)
            {
                return false;
            }

            block[k++] = (short)bits.Extend(category);
        }

        reader = bits;
        return true;
    }

    public readonly void Reset() => Array.Clear(tables.Prediction);
}

/// <summary>First pass over the DC coefficients of a progressive file (T.81 G.1.2.1).</summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct DcFirstCoder(ScanTables tables, int shift) : IBlockCoder
{
    public readonly bool TryRead(ref EntropyReader reader, int component, short* block)
    {
        bool read = tables.TryReadDc(ref reader, component, out int dc);
        block[0] = (short)(dc << shift);
        return read;
    }

    public readonly void Reset() => Array.Clear(tables.Prediction);
}

/// <summary>One more bit of every DC coefficient.</summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct DcRefinementCoder(int shift) : IBlockCoder
{
    public readonly bool TryRead(ref EntropyReader reader, int component, short* block)
    {
        block[0] |= (short)(reader.Bit() << shift);
        return true;
    }

    public readonly void Reset()
    {
    }
}

/// <summary>First pass over a band of AC coefficients (T.81 G.1.2.2).</summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct AcFirstCoder(HuffmanTable table, int first, int last, int shift) : IBlockCoder
{
    private int endOfBandRun;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryRead(ref EntropyReader reader, int component, short* block)
    {
        if (endOfBandRun > 0)
        {
            endOfBandRun--;
            return true;
        }

        for (int k = first; k <= last;)
        {
            int symbol = reader.Symbol(table), category = symbol & 15, run = symbol >> 4;
            if (symbol < 0)
            {
                return false;
            }

            if (category == 0)
            {
                if (run < 15)
                {
                    endOfBandRun = (1 << run) - 1 + reader.Bits(run);
                    break;
                }

                k += 16;
                continue;
            }

            k += run;
            if (k > last)
            {
                return false;
            }

            block[k++] = (short)(reader.Extend(category) << shift);
        }

        return true;
    }

    public void Reset() => endOfBandRun = 0;
}

/// <summary>One more bit of a band of AC coefficients (T.81 G.1.2.3).</summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct AcRefinementCoder(HuffmanTable table, int first, int last, int shift) : IBlockCoder
{
    private int endOfBandRun;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryRead(ref EntropyReader reader, int component, short* block)
    {
        int k = first;
        while (endOfBandRun == 0 && k <= last)
        {
            int symbol = reader.Symbol(table), category = symbol & 15, run = symbol >> 4;
            if (symbol < 0 || category > 1)
            {
                return false;
            }

            int fresh = 0;
            if (category == 1)
            {
                fresh = reader.Bit() == 1 ? 1 << shift : -1 << shift;
            }
            else if (run < 15)
            {
                endOfBandRun = (1 << run) + reader.Bits(run);
                break;
            }

            // Step over `run` zeros, refining every coefficient met that is not zero, to the place of the fresh one.
            for (; k <= last; k++)
            {
                if (block[k] != 0)
                {
                    Refine(ref reader, block + k);
                }
                else if (--run < 0)
                {
                    break;
                }
            }

            if (fresh != 0)
            {
                if (k > last)
                {
                    return false;
                }

                block[k] = (short)fresh;
            }

            k++;
        }

        if (endOfBandRun > 0)
        {
            for (; k <= last; k++)
            {
                if (block[k] != 0)
                {
                    Refine(ref reader, block + k);
                }
            }

            endOfBandRun--;
        }

        return true;
    }

    public void Reset() => endOfBandRun = 0;

    private readonly void Refine(ref EntropyReader reader, short* coefficient)
    {
        int bit = 1 << shift;
        if (reader.Bit() == 1 && (*coefficient & bit) == 0)
        {
            *coefficient += (short)(*coefficient >= 0 ? bit : -bit);
        }
    }
}
