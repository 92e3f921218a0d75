using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Palimpsest.Inference;

/// <summary>
/// MediaPipe's BlazeFace (Apache-2.0; its channels filled up to whole vectors by training/widen_faces.py): one square RGB input in −1..1, 896 anchors, for each a score, a box and six keypoints.
/// Anchors and decoding follow MediaPipe's SSD options for this network: 16×16 cells with two anchors, then 8×8 cells with six; anchors are
/// cell centres of fixed size, so that boxes are offsets and sizes in input pixels.
/// </summary>
internal sealed class BlazeFaceNetwork : IDisposable
{
    private const int ValuesPerAnchor = 16;
    private static readonly (int Cells, int Anchors)[] Layers = [(16, 2), (8, 6)];
    private static readonly string[] Outputs = ["Identity:0", "Identity_1:0", "Identity_2:0", "Identity_3:0"];
    private static readonly PixelPacker Packer = new(new PixelInput { Name = "input:0", Layout = "nhwc", Scale = 1 / 127.5, Mean = [1, 1, 1] });

    private readonly OnnxNetwork network;

    /// <summary>Loads the network after checking its SHA-256.</summary>
    /// <exception cref="DetectorUnavailableException">Missing, or another file.</exception>
    public BlazeFaceNetwork(string path, string sha256, int side, ILogger logger)
    {
        if (!File.Exists(path))
        {
            throw new DetectorUnavailableException($"The face model {Path.GetFileName(path)} is missing.");
        }

        byte[] bytes = File.ReadAllBytes(path);
        string actual = Convert.ToHexStringLower(SHA256.HashData(bytes));
        if (actual != sha256)
        {
            throw new DetectorUnavailableException($"The face model {Path.GetFileName(path)} is not the expected one: its SHA-256 is {actual}.");
        }

        Side = side;
        // Half a megabyte and up to eight milliseconds: pictures run side by side, each on its caller's thread, and a GPU would only add a trip.
        network = new OnnxNetwork("blazeface", bytes, new InferenceOptions { Provider = ExecutionProviders.Cpu, ConcurrentRuns = 1, Threads = 1 }, logger);
    }

    /// <summary>Side of the input, pixels.</summary>
    public int Side { get; }

    /// <summary>Candidates above <paramref name="threshold"/> in a square region of a picture, merged; coordinates in the picture's pixels.</summary>
    public List<FaceCandidate> Run(ReadOnlySpan<byte> rgb, int width, int height, Region square, float threshold) => Run(rgb, width, height, [square], threshold, default)[0];

    /// <summary>The same in each of several squares of one size and the same rows of the picture, which show the same share of it.</summary>
    public List<FaceCandidate>[] Run(ReadOnlySpan<byte> rgb, int width, int height, ReadOnlySpan<Region> squares, float threshold, CancellationToken cancellationToken)
    {
        int length = Side * Side * 3;
        using var tensors = TensorPool<float>.Shared.Rent(length * squares.Length);
        Fill(rgb, width, height, squares, Side, tensors.Span);
        var all = new List<FaceCandidate>[squares.Length];
        for (int i = 0; i < squares.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var outputs = network.Run([new NetworkInput("input:0", tensors.Memory.Slice(i * length, length), [1, Side, Side, 3])], Outputs);
            var found = new List<FaceCandidate>();
            for (int layer = 0; layer < Layers.Length; layer++)
            {
                Decode(outputs.Values(layer), outputs.Values(layer + 2), layer, Side, squares[i], threshold, found);
            }

            all[i] = FaceMerging.Weighted(found);
        }

        return all;
    }

    public void Dispose() => network.Dispose();

    /// <summary>The part of each square that lies in the picture, resized; the rest is black, as the network was trained. At least a pixel of them must lie in it.</summary>
    internal static void Fill(ReadOnlySpan<byte> rgb, int width, int height, ReadOnlySpan<Region> squares, int side, Span<float> tensors)
    {
        var square = squares[0];
        double scale = (double)side / square.Width;
        int x0 = Math.Max(0, square.X), x1 = Math.Min(width, square.X + square.Width), y0 = Math.Max(0, square.Y), y1 = Math.Min(height, square.Y + square.Height);
        // A sliver at the far edge rounds to the pixel beyond it.
        int left = Math.Min((int)Math.Round((x0 - square.X) * scale), side - 1), top = Math.Min((int)Math.Round((y0 - square.Y) * scale), side - 1);
        int w = Math.Clamp((int)Math.Round((x1 - x0) * scale), 1, side - left), h = Math.Clamp((int)Math.Round((y1 - y0) * scale), 1, side - top);
        var parts = new Region[squares.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = new Region(Math.Max(0, squares[i].X), y0, x1 - x0, y1 - y0);
        }

        int part = w * h * 3, whole = side * side * 3;
        byte[] bytes = ArrayPool<byte>.Shared.Rent((part * parts.Length) + whole);
        var canvas = bytes.AsSpan(part * parts.Length, whole);
        PixelResizer.ResizeRow(rgb, width, height, parts, bytes.AsSpan(0, part * parts.Length), w, h, areaAbove: 1);
        canvas.Clear();
        for (int i = 0; i < parts.Length; i++)
        {
            for (int y = 0; y < h; y++)
            {
                bytes.AsSpan((i * part) + (y * w * 3), w * 3).CopyTo(canvas[((((top + y) * side) + left) * 3)..]);
            }

            Packer.Pack(canvas, side, side, new Region(0, 0, side, side), tensors.Slice(i * whole, whole));
        }

        ArrayPool<byte>.Shared.Return(bytes);
    }

    /// <summary>Adds the anchors of one layer whose score passes; a score is a logit, a box an offset from its anchor in input pixels.</summary>
    internal static void Decode(
        ReadOnlySpan<float> scores, ReadOnlySpan<float> boxes, int layer, int side, Region square, float threshold, List<FaceCandidate> found)
    {
        var (cells, anchors) = Layers[layer];
        float scale = (float)square.Width / side, stride = (float)side / cells;
        for (int i = 0; i < scores.Length; i++)
        {
            float score = 1 / (1 + MathF.Exp(-Math.Clamp(scores[i], -100, 100)));
            if (score < threshold)
            {
                continue;
            }

            int cell = i / anchors;
            float x = ((cell % cells) + 0.5f) * stride, y = ((cell / cells) + 0.5f) * stride;
            var values = new float[ValuesPerAnchor];
            for (int k = 0; k < ValuesPerAnchor; k++)
            {
                float value = boxes[(i * ValuesPerAnchor) + k];
                values[k] = k is 2 or 3 ? value * scale : k % 2 == 0 ? square.X + ((x + value) * scale) : square.Y + ((y + value) * scale);
            }

            found.Add(new FaceCandidate(score, values));
        }
    }
}
