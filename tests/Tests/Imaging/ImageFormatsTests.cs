using Palimpsest.Contracts;

namespace Palimpsest.Tests.Imaging;

public sealed class ImageFormatsTests
{
    public static TheoryData<byte[], string?> Prefixes() => new()
    {
        { [0xFF, 0xD8, 0xFF, 0xE0], "jpeg" },
        { [0x89, .. "PNG\r\n\u001a\n"u8], "png" },
        { [.. "RIFF"u8, 1, 2, 3, 4, .. "WEBP"u8], "webp" },
        { [.. "RIFF"u8, 1, 2, 3, 4, .. "AVI "u8], null },
        { [.. "II*\0"u8], "tiff" },
        { [.. "MM\0*"u8], "tiff" },
        { [.. "MM\0+"u8], "tiff" },
        { [.. "GIF89a"u8], "gif" },
        { [.. "GIF88a"u8], null },
        { [0, 0, 0, 28, .. "ftypavif\0\0\0\0mif1miaf"u8], "avif" },
        { [0, 0, 0, 24, .. "ftypmif1\0\0\0\0avifmiaf"u8], "avif" },
        { [0, 0, 0, 24, .. "ftypheic\0\0\0\0mif1heic"u8], null },
        { [0, 0, 0, 16, .. "ftypheic\0\0\0\0avif"u8], null }, // the brand lies behind the box
        { [0xFF, 0xD8], null },
        { [], null },
    };

    [Theory]
    [MemberData(nameof(Prefixes))]
    public void Detect_GoesByTheBytes(byte[] prefix, string? format) => ImageFormats.Detect(prefix).ShouldBe(format);
}
