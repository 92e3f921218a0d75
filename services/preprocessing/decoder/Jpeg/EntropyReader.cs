using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Decoder.Jpeg;

/// <summary>
/// Bits of entropy-coded JPEG data: byte stuffing removed, stops at a marker and then gives zeros. The buffer is left-aligned and may hold a
/// part of the next byte below <c>count</c>, which the next refill writes again unchanged.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal unsafe struct EntropyReader(byte* start, byte* end)
{
    private byte* next = start;
    private ulong bits;
    private int count;
    private int padding; // zeros appended behind the data, bits

    /// <summary>Where reading has come to; behind everything read into the buffer, at a marker once <see cref="Fill"/> met one.</summary>
    public readonly byte* Position => next;

    /// <summary>True when more bits were taken than the data had.</summary>
    public readonly bool Overrun => count < padding;

    /// <summary>Makes at least 32 bits available: enough for one code and its extra bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fill()
    {
        if (count >= 32)
        {
            return;
        }

        if (end - next >= 8)
        {
            ulong raw = BinaryPrimitives.ReverseEndianness(Unsafe.ReadUnaligned<ulong>(next));
            bool hasFF = ((~raw - 0x0101010101010101UL) & raw & 0x8080808080808080UL) != 0;
            if (!hasFF)
            {
                bits |= raw >> count;
                next += (63 - count) >> 3;
                count |= 56;
                return;
            }
        }

        FillByByte();
    }

    /// <summary>The next bits without taking them; at most 32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int Peek(int n) => (int)(bits >> (64 - n));

    /// <summary>Takes bits that were filled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Skip(int n)
    {
        bits <<= n;
        count -= n;
    }

    /// <summary>Takes one bit; fills by itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Bit()
    {
        Fill();
        int bit = Peek(1);
        Skip(1);
        return bit;
    }

    /// <summary>Takes up to 16 bits as an unsigned number; fills by itself.</summary>
    public int Bits(int n)
    {
        if (n == 0)
        {
            return 0;
        }

        Fill();
        int value = Peek(n);
        Skip(n);
        return value;
    }

    /// <summary>Takes a symbol; fills by itself and leaves at least 16 bits. −1 for an unused code.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Symbol(HuffmanTable table)
    {
        Fill();
        int entry = table.Fast[(int)(bits >> (64 - HuffmanTable.FastBits))];
        if (entry == 0)
        {
            return LongSymbol(table);
        }

        Skip(entry >> 8);
        return entry & 0xFF;
    }

    /// <summary>Takes a signed value of a magnitude category (T.81 F.2.2.1) behind a symbol; at most 16 bits, already filled.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Extend(int category)
    {
        // Values with a leading 0 are negative: v − (2^n − 1). bits >> 1 >> (63 − n) is safe for n = 0.
        int value = (int)(bits >> 1 >> (63 - category));
        int negative = (int)((long)~bits >> 63) & ((1 << category) - 1);
        Skip(category);
        return value - negative;
    }

    /// <summary>Steps over a restart marker with the expected number and starts on a byte boundary; false when it is not there.</summary>
    public bool Restart(int number)
    {
        // What is left of the last byte are padding ones: the next thing must be the marker.
        (bits, count, padding) = (0, 0, 0);
        while (end - next >= 2 && next[0] == 0xFF && next[1] == 0xFF)
        {
            next++;
        }

        if (end - next < 2 || next[0] != 0xFF || next[1] != 0xD0 + number)
        {
            return false;
        }

        next += 2;
        return true;
    }

    private int LongSymbol(HuffmanTable table)
    {
        if (!table.TryFindLong((int)(bits >> 48), out int length, out byte symbol))
        {
            return -1;
        }

        Skip(length);
        return symbol;
    }

    private void FillByByte()
    {
        while (count <= 56)
        {
            ulong value = 0;
            if (next < end && *next != 0xFF)
            {
                value = *next++;
            }
            else if (end - next >= 2 && next[1] == 0)
            {
                value = 0xFF;
                next += 2;
            }
            else
            {
                padding += 8;
            }

            bits |= value << (56 - count);
            count += 8;
        }
    }
}
