using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Palimpsest.Imaging.Vips;

/// <summary>
/// The few functions of libvips 8.18 and GObject that we call (libvips/include/vips/*.h, glib/gobject/*.h). Operations are built by
/// name and properties; C variadics are avoided because their calling convention differs between ABIs.
/// </summary>
internal static unsafe partial class VipsNative
{
    // G_LOG_LEVEL_WARNING of glib/gmessages.h.
    private const int WarningLevel = 1 << 4;

    private const string Library = "libvips-cpp.so.8.18.7";

    /// <summary>The loaders an upload may reach; every other loader of the build stays blocked.</summary>
    private static readonly string[] AllowedLoaders =
        ["VipsForeignLoadJpeg", "VipsForeignLoadPng", "VipsForeignLoadWebp", "VipsForeignLoadTiff", "VipsForeignLoadNsgif", "VipsForeignLoadHeif"];

    static VipsNative()
    {
        NativeLibrary.SetDllImportResolver(typeof(VipsNative).Assembly, Resolve);
        if (Init("palimpsest") != 0)
        {
            throw new VipsException("libvips did not start: " + TakeError());
        }

        ConcurrencySet(1); // the callers are parallel already
        CacheSetMax(0);
        BlockUntrustedSet(1);
        OperationBlockSet("VipsForeignLoad", 1);
        foreach (string loader in AllowedLoaders)
        {
            OperationBlockSet(loader, 0);
        }

        LogSetHandler("VIPS", WarningLevel, &CountWarning, null);
    }

    /// <summary>Tiles and strips that could not be read since the process began: a loader that does not fail on errors only warns of them.</summary>
    public static long UnreadTiles { get; private set; }

    /// <summary>What went wrong since the last call; clears libvips' error buffer.</summary>
    public static string TakeError()
    {
        string error = Marshal.PtrToStringUTF8((nint)ErrorBuffer()) ?? "";
        ErrorClear();
        return error.Trim();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void CountWarning(byte* domain, int level, byte* message, void* data)
    {
        // Nothing of it is logged: it may quote the picture.
        if (MemoryMarshal.CreateReadOnlySpanFromNullTerminated(message).StartsWith("error in tile"u8))
        {
            UnreadTiles++;
        }
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
        {
            return 0;
        }

        string beside = Path.Combine(AppContext.BaseDirectory, Library);
        return NativeLibrary.TryLoad(beside, out nint handle) ? handle : NativeLibrary.Load(name, assembly, path);
    }

    /// <summary>GValue of gobject/gvalue.h: a type and two words.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct GValue
    {
        public nuint Type;
        public ulong Word0;
        public ulong Word1;
    }

    /// <summary>VipsRect of vips/rect.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Rectangle(int Left, int Top, int Width, int Height);

    [LibraryImport(Library, EntryPoint = "vips_init", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Init(string program);

    [LibraryImport(Library, EntryPoint = "vips_concurrency_set")]
    private static partial void ConcurrencySet(int threads);

    [LibraryImport(Library, EntryPoint = "vips_cache_set_max")]
    private static partial void CacheSetMax(int operations);

    [LibraryImport(Library, EntryPoint = "vips_block_untrusted_set")]
    private static partial void BlockUntrustedSet(int state);

    [LibraryImport(Library, EntryPoint = "vips_operation_block_set", StringMarshalling = StringMarshalling.Utf8)]
    private static partial void OperationBlockSet(string name, int state);

    [LibraryImport(Library, EntryPoint = "vips_error_buffer")]
    private static partial byte* ErrorBuffer();

    [LibraryImport(Library, EntryPoint = "vips_error_clear")]
    private static partial void ErrorClear();

    [LibraryImport(Library, EntryPoint = "vips_operation_new", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nint OperationNew(string name);

    [LibraryImport(Library, EntryPoint = "vips_cache_operation_buildp")]
    public static partial int OperationBuild(nint* operation);

    [LibraryImport(Library, EntryPoint = "vips_object_set_argument_from_string", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SetArgument(nint operation, string name, string value);

    [LibraryImport(Library, EntryPoint = "vips_object_unref_outputs")]
    public static partial void UnrefOutputs(nint operation);

    [LibraryImport(Library, EntryPoint = "g_type_from_name", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nuint TypeFromName(string name);

    [LibraryImport(Library, EntryPoint = "g_value_init")]
    public static partial GValue* ValueInit(GValue* value, nuint type);

    [LibraryImport(Library, EntryPoint = "g_value_unset")]
    public static partial void ValueUnset(GValue* value);

    [LibraryImport(Library, EntryPoint = "g_value_set_object")]
    public static partial void ValueSetObject(GValue* value, nint obj);

    [LibraryImport(Library, EntryPoint = "g_value_dup_object")]
    public static partial nint ValueDupObject(GValue* value);

    [LibraryImport(Library, EntryPoint = "g_value_get_boxed")]
    public static partial nint ValueGetBoxed(GValue* value);

    [LibraryImport(Library, EntryPoint = "g_object_set_property", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ObjectSetProperty(nint obj, string name, GValue* value);

    [LibraryImport(Library, EntryPoint = "g_object_get_property", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ObjectGetProperty(nint obj, string name, GValue* value);

    [LibraryImport(Library, EntryPoint = "g_object_unref")]
    public static partial void ObjectUnref(nint obj);

    [LibraryImport(Library, EntryPoint = "g_try_malloc")]
    public static partial byte* TryAllocate(nuint bytes);

    /// <summary>Gives up a reference, where there is one.</summary>
    [LibraryImport(Library, EntryPoint = "g_clear_object")]
    public static partial void ClearObject(ref nint obj);

    [LibraryImport(Library, EntryPoint = "g_free")]
    public static partial void Free(void* memory);

    [LibraryImport(Library, EntryPoint = "vips_blob_get")]
    public static partial byte* BlobGet(nint blob, nuint* length);

    [LibraryImport(Library, EntryPoint = "vips_source_new_from_memory")]
    public static partial nint SourceFromMemory(void* data, nuint length);

    [LibraryImport(Library, EntryPoint = "vips_value_set_array_image")]
    public static partial void ValueSetArrayImage(GValue* value, int count);

    [LibraryImport(Library, EntryPoint = "vips_value_get_array_image")]
    public static partial nint* ValueGetArrayImage(GValue* value, int* count);

    [LibraryImport(Library, EntryPoint = "g_object_ref")]
    public static partial nint ObjectRef(nint obj);

    [LibraryImport(Library, EntryPoint = "g_log_set_handler", StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint LogSetHandler(string domain, int levels, delegate* unmanaged[Cdecl]<byte*, int, byte*, void*, void> handler, void* data);

    [LibraryImport(Library, EntryPoint = "vips_image_new_from_memory")]
    public static partial nint ImageFromMemory(void* data, nuint length, int width, int height, int bands, int format);

    [LibraryImport(Library, EntryPoint = "vips_image_write_to_memory")]
    public static partial byte* ImageToMemory(nint image, nuint* length);

    [LibraryImport(Library, EntryPoint = "vips_image_pio_input")]
    public static partial int ImageForReading(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_minimise_all")]
    public static partial void Minimise(nint image);

    [LibraryImport(Library, EntryPoint = "vips_region_new")]
    public static partial nint RegionNew(nint image);

    [LibraryImport(Library, EntryPoint = "vips_region_image")]
    public static partial int RegionOfImage(nint region, in Rectangle rectangle);

    [LibraryImport(Library, EntryPoint = "vips_region_prepare_to")]
    public static partial int RegionPrepareTo(nint region, nint target, in Rectangle rectangle, int x, int y);

    [LibraryImport(Library, EntryPoint = "vips_image_get_width")]
    public static partial int ImageWidth(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_height")]
    public static partial int ImageHeight(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_bands")]
    public static partial int ImageBands(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_format")]
    public static partial int ImageFormat(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_interpretation")]
    public static partial int ImageInterpretation(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_n_pages")]
    public static partial int ImagePages(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_orientation")]
    public static partial int ImageOrientation(nint image);

    [LibraryImport(Library, EntryPoint = "vips_image_get_blob", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ImageBlob(nint image, string name, byte** data, nuint* length);

    [LibraryImport(Library, EntryPoint = "vips_image_get_typeof", StringMarshalling = StringMarshalling.Utf8)]
    public static partial nuint ImageTypeOf(nint image, string name);

    [LibraryImport(Library, EntryPoint = "vips_image_set_int", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void ImageSetInt(nint image, string name, int value);
}
