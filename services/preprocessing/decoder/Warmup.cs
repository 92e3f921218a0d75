using Palimpsest.Decoder.Jpeg;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder;

/// <summary>Decodes a small picture of our own before the first request, so that code is compiled and libvips is up when a client waits.</summary>
internal static class Warmup
{
    /// <summary>Prepares one 64×64 JPEG in the temporary folder, sandbox not yet closed.</summary>
    public static void Run()
    {
        string upload = Path.GetTempFileName(), output = Path.GetTempFileName();
        try
        {
            using (var grey = VipsImage.Create("black", ("width", "64"), ("height", "64"), ("bands", "3")))
            {
                File.WriteAllBytes(upload, grey.Encode("jpegsave_buffer", ("Q", "80")));
            }

            Preparation.Prepare(new PrepareRequest { Upload = upload, Output = output, Limits = new DecodeLimits(), MaxAnalysedPixels = long.MaxValue });
        }
        finally
        {
            File.Delete(upload);
            File.Delete(output);
        }
    }
}
