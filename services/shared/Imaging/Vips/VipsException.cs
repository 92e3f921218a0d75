namespace Palimpsest.Imaging.Vips;

/// <summary>libvips refused an operation; the message is its error buffer.</summary>
public sealed class VipsException(string message) : Exception(message);
