using System.Runtime.CompilerServices;

namespace Palimpsest.Imaging.Vips;

/// <summary>A file in memory that stays where it is, for libvips to read from.</summary>
public sealed unsafe class PinnedBytes
{
    private readonly byte[] bytes;

    /// <summary>A copy of the parts, one after the other.</summary>
    public PinnedBytes(params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        int length = 0;
        foreach (var part in parts)
        {
            length = checked(length + part.Length);
        }

        bytes = GC.AllocateUninitializedArray<byte>(length, pinned: true);
        int at = 0;
        foreach (var part in parts)
        {
            part.Span.CopyTo(bytes.AsSpan(at));
            at += part.Length;
        }
    }

    /// <summary>Bytes.</summary>
    public int Length => bytes.Length;

    /// <summary>The bytes themselves.</summary>
    public Span<byte> Span => bytes;

    /// <summary>Valid while this object is reachable.</summary>
    public byte* Pointer => (byte*)Unsafe.AsPointer(ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(bytes));
}
