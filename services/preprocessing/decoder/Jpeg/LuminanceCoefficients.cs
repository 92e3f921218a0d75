namespace Palimpsest.Decoder.Jpeg;

/// <summary>
/// The quantised luminance DCT coefficients exactly as a JPEG file stores them: what the strongest localizer branch reads. No decoder of
/// pictures hands these out through libvips, hence this reader.
/// </summary>
internal sealed unsafe class LuminanceCoefficients
{
    /// <summary>libvips and browsers stop at such numbers too; more scans are a bomb, not a picture.</summary>
    private const int MaxScans = 100;

    /// <summary>One picture at a time: the next one takes the same memory, up to 4 megapixels, rather than have the system fill new pages with zeros.</summary>
    private const int Kept = 4 << 20;

    [ThreadStatic]
    private static short[]? kept;

    private readonly JpegHeader header;
    private readonly short[] values;
    private readonly int count;

    private LuminanceCoefficients(JpegHeader header)
    {
        this.header = header;
        (BlocksWide, BlocksHigh) = ((header.Width + 7) / 8, (header.Height + 7) / 8);
        count = BlocksWide * BlocksHigh * 64;
        values = kept is not null && kept.Length >= count ? kept : new short[count];
        if (ReferenceEquals(values, kept))
        {
            Array.Clear(values, 0, count);
        }
        else if (count <= Kept)
        {
            kept = values;
        }
    }

    /// <summary>⌈width/8⌉.</summary>
    public int BlocksWide { get; }

    /// <summary>⌈height/8⌉.</summary>
    public int BlocksHigh { get; }

    /// <summary>Rows of blocks of 64 values, zigzag order; until the thread reads the next picture.</summary>
    public ReadOnlySpan<short> Values => values.AsSpan(0, count);

    /// <summary>Reads all scans; null when the file is of a kind we do not read, damaged or cut short.</summary>
    /// <param name="file">The whole file.</param>
    /// <param name="header">Read up to the first scan.</param>
    /// <param name="position">Behind the first scan's header.</param>
    /// <param name="scan">The first scan's header.</param>
    public static LuminanceCoefficients? TryRead(ReadOnlySpan<byte> file, JpegHeader header, int position, ReadOnlySpan<byte> scan)
    {
        if (!header.CoefficientsReadable)
        {
            return null;
        }

        var plane = new LuminanceCoefficients(header);
        bool found = false;
        for (int scans = 0; scans < MaxScans; scans++)
        {
            if (Scan.TryParse(scan, header) is not { } parsed)
            {
                return null;
            }

            if (parsed.Luminance >= 0)
            {
                if (!plane.TryRead(file[position..], parsed))
                {
                    return null;
                }

                found = true;
                if (!header.Progressive)
                {
                    return plane;
                }
            }

            if (!header.ReadToScan(file, ref position, out scan))
            {
                return found && header.Ended ? plane : null;
            }
        }

        return null;
    }

    private bool TryRead(ReadOnlySpan<byte> data, Scan scan)
    {
        fixed (byte* start = data)
        {
            var reader = new EntropyReader(start, start + data.Length);
            var tables = new ScanTables { Dc = scan.Dc, Ac = scan.Ac, Prediction = new int[4] };
            if (!header.Progressive)
            {
                return Walk(new SequentialCoder(tables), ref reader, scan);
            }

            if (scan.First == 0)
            {
                return scan.Refines ? Walk(new DcRefinementCoder(scan.Shift), ref reader, scan) : Walk(new DcFirstCoder(tables, scan.Shift), ref reader, scan);
            }

            var table = scan.Ac[0]!;
            return scan.Refines
                ? Walk(new AcRefinementCoder(table, scan.First, scan.Last, scan.Shift), ref reader, scan)
                : Walk(new AcFirstCoder(table, scan.First, scan.Last, scan.Shift), ref reader, scan);
        }
    }

    /// <summary>Goes through the scan's MCUs; blocks of other components and beyond the picture's edge are read into a scratch block.</summary>
    private bool Walk<TCoder>(TCoder coder, ref EntropyReader reader, Scan scan)
        where TCoder : struct, IBlockCoder
    {
        // A scan of one component has no padding blocks: its MCU is one block (T.81 A.2.2).
        bool interleaved = scan.Components.Length > 1;
        int horizontal = interleaved ? header.Components[0].Horizontal : 1, vertical = interleaved ? header.Components[0].Vertical : 1;
        int columns = (BlocksWide + horizontal - 1) / horizontal, rows = (BlocksHigh + vertical - 1) / vertical;
        int untilRestart = header.RestartInterval, restart = 0;
        short* scratch = stackalloc short[64];
        fixed (short* plane = values)
        {
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                {
                    if (header.RestartInterval > 0 && untilRestart-- == 0)
                    {
                        if (reader.Overrun || !reader.Restart(restart))
                        {
                            return false;
                        }

                        coder.Reset();
                        (restart, untilRestart) = ((restart + 1) & 7, header.RestartInterval - 1);
                    }

                    for (int index = 0; index < scan.Components.Length; index++)
                    {
                        var component = scan.Components[index];
                        bool stored = index == scan.Luminance;
                        int wide = interleaved ? component.Horizontal : 1, high = interleaved ? component.Vertical : 1;
                        for (int block = 0; block < wide * high; block++)
                        {
                            int x = (column * wide) + (block % wide), y = (row * high) + (block / wide);
                            short* target = stored && x < BlocksWide && y < BlocksHigh ? plane + ((((long)y * BlocksWide) + x) * 64) : scratch;
                            if (!coder.TryRead(ref reader, index, target))
                            {
                                return false;
                            }
                        }
                    }
                }

                if (reader.Overrun)
                {
                    return false;
                }
            }
        }

        return true;
    }
}
