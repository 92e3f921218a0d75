using System.Runtime.InteropServices;

namespace Palimpsest.Imaging.Vips;

/// <summary>
/// A libvips image: a pipeline that computes pixels when they are read. Not thread-safe; dispose each one.
/// Operation and argument names are libvips' own (https://www.libvips.org/API/current/function-list.html).
/// </summary>
public sealed unsafe class VipsImage : SafeHandle
{
    private const int FormatUchar = 0;

    /// <summary>Rows computed at a time: few enough to stay in a core's cache on their way.</summary>
    private const int Strip = 32;

    private VipsImage(nint handle)
        : base(0, ownsHandle: true) => SetHandle(handle);

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;

    /// <summary>Pixels a row.</summary>
    public int Width => VipsNative.ImageWidth(handle);

    /// <summary>Rows.</summary>
    public int Height => VipsNative.ImageHeight(handle);

    /// <summary>Values a pixel.</summary>
    public int Bands => VipsNative.ImageBands(handle);

    /// <summary>True when every value is one unsigned byte.</summary>
    public bool IsByte => VipsNative.ImageFormat(handle) == FormatUchar;

    /// <summary>VipsInterpretation: how the values are meant, e.g. 22 = sRGB, 1 = b-w, 15 = CMYK.</summary>
    public int Interpretation => VipsNative.ImageInterpretation(handle);

    /// <summary>Frames or pages in the file it was loaded from; 1 for others.</summary>
    public int Pages => VipsNative.ImagePages(handle);

    /// <summary>EXIF orientation 1..8; 1 when absent.</summary>
    public int Orientation => VipsNative.ImageOrientation(handle);

    /// <summary>Starts an operation that makes an image: a loader, or a generator.</summary>
    /// <exception cref="VipsException">Refused.</exception>
    public static VipsImage Create(string operation, params ReadOnlySpan<(string Name, string Value)> arguments) =>
        Build(operation, static _ => { }, arguments, static op => new VipsImage(GetObject(op, "out")));

    /// <summary>An image over pixels of the caller, one byte a value; the memory must outlive it and everything made from it.</summary>
    public static VipsImage FromMemory(byte* pixels, int width, int height, int bands)
    {
        nint image = VipsNative.ImageFromMemory(pixels, (nuint)((long)width * height * bands), width, height, bands, FormatUchar);
        return image != 0 ? new VipsImage(image) : throw new VipsException(VipsNative.TakeError());
    }

    /// <summary>Opens an encoded picture that lies in memory, by a loader's <c>…_source</c> operation.</summary>
    /// <param name="loader">E.g. <c>tiffload_source</c>.</param>
    /// <param name="encoded">The file, pinned; must outlive the image and everything made from it.</param>
    /// <param name="arguments">Of the loader.</param>
    /// <exception cref="VipsException">Refused.</exception>
    public static VipsImage FromEncoded(string loader, PinnedBytes encoded, params ReadOnlySpan<(string Name, string Value)> arguments)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        nint source = VipsNative.SourceFromMemory(encoded.Pointer, (nuint)encoded.Length);
        try
        {
            return Build(loader, op => SetObject(op, "source", "VipsSource", source), arguments, static op => new VipsImage(GetObject(op, "out")));
        }
        finally
        {
            VipsNative.ObjectUnref(source); // the operation holds its own
        }
    }

    /// <summary>One image whose bands are those of the given ones, in order; all of the same size.</summary>
    /// <exception cref="VipsException">Refused.</exception>
    public static VipsImage JoinBands(IReadOnlyList<VipsImage> images)
    {
        ArgumentNullException.ThrowIfNull(images);
        return Build("bandjoin", op => SetImages(op, images), [], static op => new VipsImage(GetObject(op, "out")));
    }

    /// <summary>A new image computed from this one.</summary>
    /// <exception cref="VipsException">Refused.</exception>
    public VipsImage Apply(string operation, params ReadOnlySpan<(string Name, string Value)> arguments) =>
        Build(operation, op => SetObject(op, "in", "VipsImage", handle), arguments, static op => new VipsImage(GetObject(op, "out")));

    /// <summary>Encodes by a buffer saver, e.g. <c>pngsave_buffer</c>.</summary>
    /// <exception cref="VipsException">Refused, or a pixel could not be computed.</exception>
    public byte[] Encode(string saver, params ReadOnlySpan<(string Name, string Value)> arguments) =>
        Build(saver, op => SetObject(op, "in", "VipsImage", handle), arguments, static op =>
        {
            VipsNative.GValue value = default;
            VipsNative.ValueInit(&value, VipsNative.TypeFromName("VipsBlob"));
            VipsNative.ObjectGetProperty(op, "buffer", &value);
            nuint length;
            byte* data = VipsNative.BlobGet(VipsNative.ValueGetBoxed(&value), &length);
            byte[] bytes = new ReadOnlySpan<byte>(data, checked((int)length)).ToArray();
            VipsNative.ValueUnset(&value);
            return bytes;
        });

    /// <summary>Computes all pixels, in a worker of libvips.</summary>
    /// <exception cref="VipsException">A pixel could not be computed, e.g. the file is cut short.</exception>
    public VipsPixels ToPixels()
    {
        nuint length;
        byte* data = VipsNative.ImageToMemory(handle, &length);
        return data != null ? new VipsPixels(data, (long)length, Width, Height, Bands) : throw new VipsException(VipsNative.TakeError());
    }

    /// <summary>
    /// The same on the calling thread, for bytes as a loader gives them: the worker of <see cref="ToPixels"/> and its caller wake each other for every sixteen rows. Not for rows that are computed from
    /// many others: libvips keeps no buffers outside its workers, and a reduction takes several times as long.
    /// </summary>
    /// <exception cref="VipsException">A pixel could not be read, or there is no memory.</exception>
    public VipsPixels ReadPixels()
    {
        long length = (long)Width * Height * Bands;
        byte* data = VipsNative.TryAllocate((nuint)length);
        if (data == null)
        {
            throw new VipsException($"There is no memory for {length} bytes of pixels.");
        }

        var pixels = new VipsPixels(data, length, Width, Height, Bands);
        try
        {
            using var memory = pixels.AsImage();
            Read(memory);
            return pixels;
        }
        catch
        {
            pixels.Dispose();
            throw;
        }
    }

    /// <summary>A metadata block by libvips' name, e.g. <c>exif-data</c>; empty when absent. Valid while this image lives.</summary>
    public ReadOnlySpan<byte> Metadata(string name)
    {
        if (VipsNative.ImageTypeOf(handle, name) == 0)
        {
            return [];
        }

        byte* data;
        nuint length;
        if (VipsNative.ImageBlob(handle, name, &data, &length) != 0)
        {
            VipsNative.TakeError();
            return [];
        }

        return new ReadOnlySpan<byte>(data, checked((int)length));
    }

    /// <summary>Sets an integer metadata item, e.g. <c>orientation</c>, that savers write into the file.</summary>
    public void SetMetadata(string name, int value) => VipsNative.ImageSetInt(handle, name, value);

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        VipsNative.ObjectUnref(handle);
        return true;
    }

    private void Read(VipsImage target)
    {
        nint from = VipsNative.RegionNew(handle), to = VipsNative.RegionNew(target.handle);
        try
        {
            Check(from == 0 || to == 0 ? -1 : VipsNative.ImageForReading(handle));
            Check(VipsNative.RegionOfImage(to, new(0, 0, Width, Height)));
            for (int top = 0; top < Height; top += Strip)
            {
                Check(VipsNative.RegionPrepareTo(from, to, new(0, top, Width, Math.Min(Strip, Height - top)), 0, top));
            }
        }
        finally
        {
            VipsNative.ClearObject(ref from);
            VipsNative.ClearObject(ref to);
            VipsNative.Minimise(handle); // caches of tiles and lines, as a worker's end does
        }
    }

    private static void Check(int status)
    {
        if (status != 0)
        {
            throw new VipsException(VipsNative.TakeError());
        }
    }

    private static T Build<T>(string name, Action<nint> setInput, ReadOnlySpan<(string Name, string Value)> arguments, Func<nint, T> result)
    {
        nint operation = VipsNative.OperationNew(name);
        if (operation == 0)
        {
            throw new VipsException(VipsNative.TakeError());
        }

        try
        {
            setInput(operation);
            foreach (var (argument, value) in arguments)
            {
                Check(VipsNative.SetArgument(operation, argument, value));
            }

            Check(VipsNative.OperationBuild(&operation));

            return result(operation);
        }
        finally
        {
            VipsNative.UnrefOutputs(operation);
            VipsNative.ObjectUnref(operation);
        }
    }

    private static void SetObject(nint operation, string property, string type, nint obj)
    {
        VipsNative.GValue value = default;
        VipsNative.ValueInit(&value, VipsNative.TypeFromName(type));
        VipsNative.ValueSetObject(&value, obj);
        VipsNative.ObjectSetProperty(operation, property, &value);
        VipsNative.ValueUnset(&value);
    }

    private static void SetImages(nint operation, IReadOnlyList<VipsImage> images)
    {
        VipsNative.GValue value = default;
        VipsNative.ValueInit(&value, VipsNative.TypeFromName("VipsArrayImage"));
        VipsNative.ValueSetArrayImage(&value, images.Count);
        int count;
        nint* slots = VipsNative.ValueGetArrayImage(&value, &count);
        for (int i = 0; i < count; i++)
        {
            slots[i] = VipsNative.ObjectRef(images[i].handle); // the array gives them back
        }

        VipsNative.ObjectSetProperty(operation, "in", &value);
        VipsNative.ValueUnset(&value);
    }

    private static nint GetObject(nint operation, string property)
    {
        VipsNative.GValue value = default;
        VipsNative.ValueInit(&value, VipsNative.TypeFromName("VipsImage"));
        VipsNative.ObjectGetProperty(operation, property, &value);
        nint image = VipsNative.ValueDupObject(&value);
        VipsNative.ValueUnset(&value);
        return image;
    }
}
