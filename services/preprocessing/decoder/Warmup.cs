using Palimpsest.Decoder.Jpeg;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Imaging.Vips;

namespace Palimpsest.Decoder;

/// <summary>Decodes a small picture of our own before the first request, so that code is compiled and libvips is up when a client waits.</summary>
internal static class Warmup
{
    /// <summary>Prepares noise as baseline and progressive JPEG, with EXIF, in the temporary folder; the sandbox is not yet closed.</summary>
    public static void Run()
    {
        try
        {
            Prepare();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No temporary folder to write to: the first picture will take longer.
        }
    }

    private static void Prepare()
    {
        string upload = Path.GetTempFileName(), output = Path.GetTempFileName();
        try
        {
            using var noise = VipsImage.Create("gaussnoise", ("width", "64"), ("height", "64"), ("mean", "128"), ("sigma", "20"));
            using var grey = noise.Apply("cast", ("format", "uchar"));
            grey.SetMetadata("orientation", 6); // libvips writes an EXIF block for it
            foreach (string progressive in (string[])["false", "true"])
            {
                File.WriteAllBytes(upload, grey.Encode("jpegsave_buffer", ("Q", "90"), ("interlace", progressive)));
                DecoderProcess.Answer(new PrepareRequest { Upload = upload, Output = output, Limits = new DecodeLimits(), MaxAnalysedPixels = long.MaxValue });
            }
        }
        finally
        {
            File.Delete(upload);
            File.Delete(output);
        }
    }
}
