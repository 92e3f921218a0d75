using System.Buffers.Binary;
using System.IO.Compression;
using System.Numerics;

namespace Palimpsest.Imaging.Rendering;

/// <summary>
/// Writes an 8-bit grey or RGB PNG (ISO/IEC 15948) row by row, so that a mask of any size needs one row of memory. Rows are filtered
/// with Up and compressed at zlib's fastest level: the same rows always give the same bytes.
/// </summary>
public sealed class PngWriter : IDisposable
{
    private readonly IdatStream idat;
    private readonly ZLibStream zlib;
    private readonly byte[] filtered;
    private readonly byte[] previous;

    /// <summary>Writes signature and header.</summary>
    /// <param name="output">Left open.</param>
    /// <param name="width">Pixels a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="channels">1 = grey, 3 = RGB.</param>
    /// <param name="palette">With one channel: the colours of its values, 3 bytes RGB each, at most 256; null for grey.</param>
    public PngWriter(Stream output, int width, int height, int channels, byte[]? palette = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (channels is not (1 or 3))
        {
            throw new ArgumentOutOfRangeException(nameof(channels));
        }

        output.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        Span<byte> header = stackalloc byte[13];
        header.Clear();
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], height);
        header[8] = 8;
        header[9] = palette is not null ? (byte)3 : channels == 1 ? (byte)0 : (byte)2;
        WriteChunk(output, "IHDR"u8, header);
        if (palette is not null)
        {
            WriteChunk(output, "PLTE"u8, palette);
        }

        idat = new IdatStream(output);
        zlib = new ZLibStream(idat, CompressionLevel.Fastest, leaveOpen: true);
        filtered = new byte[1 + (width * channels)];
        previous = new byte[width * channels];
        filtered[0] = 2; // filter type Up
    }

    /// <summary>Appends one row, width×channels bytes.</summary>
    public void WriteRow(ReadOnlySpan<byte> row)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(row.Length, previous.Length);
        int i = 0;
        for (; i + Vector<byte>.Count <= row.Length; i += Vector<byte>.Count)
        {
            (new Vector<byte>(row[i..]) - new Vector<byte>(previous, i)).CopyTo(filtered, i + 1);
        }

        for (; i < row.Length; i++)
        {
            filtered[i + 1] = (byte)(row[i] - previous[i]);
        }

        row.CopyTo(previous);
        zlib.Write(filtered);
    }

    /// <summary>Writes what is pending and the end.</summary>
    public void Dispose()
    {
        zlib.Dispose();
        idat.Dispose();
    }

    private static void WriteChunk(Stream output, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> word = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(word, data.Length);
        output.Write(word);
        output.Write(type);
        output.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(word, ~Crc32.Update(Crc32.Update(~0u, type), data));
        output.Write(word);
    }

    /// <summary>Cuts the compressed stream into IDAT chunks.</summary>
    private sealed class IdatStream(Stream output) : Stream
    {
        private readonly byte[] buffer = new byte[1 << 16];
        private int filled;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> data)
        {
            while (data.Length > 0)
            {
                int take = Math.Min(data.Length, buffer.Length - filled);
                data[..take].CopyTo(buffer.AsSpan(filled));
                filled += take;
                data = data[take..];
                if (filled == buffer.Length)
                {
                    WriteBuffered();
                }
            }
        }

        public override void Write(byte[] data, int offset, int count) => Write(data.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override int Read(byte[] data, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            WriteBuffered();
            WriteChunk(output, "IEND"u8, []);
            base.Dispose(disposing);
        }

        private void WriteBuffered()
        {
            if (filled > 0)
            {
                WriteChunk(output, "IDAT"u8, buffer.AsSpan(0, filled));
                filled = 0;
            }
        }
    }
}
