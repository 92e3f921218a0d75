namespace Palimpsest.Decoder.Salvage;

/// <summary>How many pixels the LZW data of a GIF frame give (GIF89a, appendix F), without making them.</summary>
internal static class LzwCount
{
    private const int MaxCodes = 4096;

    /// <summary>True when the sub-blocks that begin at <paramref name="at"/> give at least so many pixels before they end or stop making sense.</summary>
    public static bool Reaches(ReadOnlySpan<byte> file, int at, int minimumBits, long pixels)
    {
        if (minimumBits is < 1 or > 11)
        {
            return false;
        }

        int clear = 1 << minimumBits, end = clear + 1, next = end + 1, bits = minimumBits + 1, held = 0, have = 0, previous = -1;
        var lengths = new int[MaxCodes];
        lengths.AsSpan(0, clear).Fill(1);
        long made = 0;
        for (int left = 0; made < pixels;)
        {
            while (have < bits)
            {
                if (left == 0)
                {
                    if (at >= file.Length || file[at] == 0)
                    {
                        return false;
                    }

                    left = file[at++];
                }

                if (at >= file.Length)
                {
                    return false;
                }

                held |= file[at++] << have;
                have += 8;
                left--;
            }

            int code = held & ((1 << bits) - 1);
            (held, have) = (held >> bits, have - bits);
            if (code == clear)
            {
                (next, bits, previous) = (end + 1, minimumBits + 1, -1);
                continue;
            }

            if (code == end || code > next || (code == next && previous < 0) || (code > end && previous < 0))
            {
                return false;
            }

            if (previous >= 0 && next < MaxCodes)
            {
                lengths[next++] = lengths[previous] + 1;
            }
            else if (code >= next)
            {
                return false;
            }

            made += lengths[code];
            previous = code;
            if (next == 1 << bits && bits < 12)
            {
                bits++;
            }
        }

        return true;
    }
}
