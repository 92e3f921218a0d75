using Palimpsest.Imaging;
using Palimpsest.Tests.Inference;

namespace Palimpsest.Tests.Imaging;

public sealed class PreparedImageTests
{
    [Theory]
    [InlineData(0)] // the magic
    [InlineData(8)] // the width
    [InlineData(-1)] // the facts
    public void A_broken_file_is_refused_and_not_kept_mapped(int at)
    {
        string path = TestPicture.Write(64, 48, (_, _) => (1, 2, 3));
        try
        {
            byte[] bytes = File.ReadAllBytes(path);
            bytes.AsSpan(at < 0 ? bytes.Length + at : at, 1).Fill(0xFF);
            File.WriteAllBytes(path, bytes);

            Should.Throw<Exception>(() => PreparedImage.Open(path)).ShouldNotBeOfType<NullReferenceException>();
            File.ReadAllText("/proc/self/maps").ShouldNotContain(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
