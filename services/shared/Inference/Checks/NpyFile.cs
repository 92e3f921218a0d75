using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Palimpsest.Inference;

/// <summary>NumPy's array file, version 1 (numpy.lib.format): little-endian float32 in C order, which is what the training scripts write.</summary>
internal static partial class NpyFile
{
    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];

    public static Tensor Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length < 10 || !bytes.AsSpan(0, 8).SequenceEqual(Magic))
        {
            throw new InvalidDataException($"{Path.GetFileName(path)} is not a NumPy array file of version 1.");
        }

        int start = 10 + BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(8));
        string header = Encoding.ASCII.GetString(bytes, 10, start - 10);
        var shape = Shape().Match(header);
        if (!header.Contains("'<f4'", StringComparison.Ordinal) || !header.Contains("'fortran_order': False", StringComparison.Ordinal) || !shape.Success)
        {
            throw new InvalidDataException($"{Path.GetFileName(path)} does not hold little-endian float32 in C order.");
        }

        long[] dimensions = [.. shape.Groups["shape"].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(d => long.Parse(d, CultureInfo.InvariantCulture))];
        float[] values = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(start)).ToArray();
        return values.Length == dimensions.Aggregate(1L, (a, b) => a * b)
            ? new Tensor(values, dimensions)
            : throw new InvalidDataException($"{Path.GetFileName(path)} is cut short.");
    }

    public static void Write(string path, Tensor tensor)
    {
        string header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({string.Concat(tensor.Shape.Select(d => $"{d}, "))}), }}";
        header = header.PadRight(((10 + header.Length + 1 + 63) / 64 * 64) - 11) + '\n';
        using var file = File.Create(path);
        file.Write(Magic);
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)header.Length);
        file.Write(length);
        file.Write(Encoding.ASCII.GetBytes(header));
        file.Write(MemoryMarshal.AsBytes<float>(tensor.Values));
    }

    [GeneratedRegex(@"'shape': \((?<shape>[\d, ]*)\)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Shape();
}
