using System.Text.Json.Nodes;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

/// <summary>A telephone held upright stores its picture lying on its side. Whatever the orientation, networks see what a viewer shows, and answers lie where the stored pixels are.</summary>
public sealed class OrientationTests : IDisposable
{
    private readonly ModelFolder folder = new();

    public static TheoryData<int> Orientations => [1, 2, 3, 4, 5, 6, 7, 8];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Orientations))]
    public void A_grid_is_turned_as_its_points_are_and_back(int orientation)
    {
        const int Width = 75, Height = 41; // more than two of the squares that it is turned in
        int[] stored = [.. Enumerable.Range(0, Width * Height * 2)];
        var shown = new int[stored.Length];
        Turning.Apply<int>(stored, Width, Height, 2, orientation, shown);

        var geometry = Geometry(Width, Height, orientation);
        for (int y = 0; y < Height; y++)
        {
            for (int x = 0; x < Width; x++)
            {
                var (left, top) = geometry.ToDisplayed(x + 0.5, y + 0.5);
                int at = (((int)top * geometry.DisplayedWidth) + (int)left) * 2;
                shown[at..(at + 2)].ShouldBe(stored[(((y * Width) + x) * 2)..(((y * Width) + x + 1) * 2)]);
            }
        }

        byte[] pixels = [.. Enumerable.Range(0, Width * Height * 3).Select(i => (byte)(i * 7))], bytewise = new byte[pixels.Length], whole = new byte[pixels.Length];
        Turning.Apply<byte>(pixels, Width, Height, 3, orientation, bytewise);
        Turning.ApplyRgb(pixels, Width, Height, orientation, whole);
        whole.ShouldBe(bytewise);

        var back = new int[stored.Length];
        Turning.Apply<int>(shown, geometry.DisplayedWidth, geometry.DisplayedHeight, 2, Turning.Inverse(orientation), back);
        back.ShouldBe(stored);
    }

    [Theory]
    [MemberData(nameof(Orientations))]
    public void Turned_coefficients_are_those_of_the_turned_picture(int orientation)
    {
        const int Wide = 3, High = 2, Kept = 28;
        var random = new Random(7);
        float[] pixels = [.. Enumerable.Range(0, Wide * High * 64).Select(_ => random.NextSingle())], upright = new float[pixels.Length];
        Turning.Apply<float>(pixels, Wide * 8, High * 8, 1, orientation, upright);

        var shown = new float[Kept * Wide * High];
        int reach = TurnedCoefficients.Reach(Kept, orientation);
        reach.ShouldBe(Kept); // whole diagonals, which swapped axes only reverse
        TurnedCoefficients.Apply(Coefficients(pixels, Wide, High)[..(reach * Wide * High)], Wide, High, orientation, shown);

        var (wide, high) = Turning.SwapsAxes(orientation) ? (High, Wide) : (Wide, High);
        float[] expected = Coefficients(upright, wide, high)[..shown.Length];
        shown.Zip(expected).Max(p => Math.Abs(p.First - p.Second)).ShouldBeLessThan(1e-5f);
        TurnedCoefficients.Reach(2, orientation).ShouldBe(Turning.SwapsAxes(orientation) ? 3 : 2);
        Enumerable.Range(0, 64).Select(k => TurnedCoefficients.Source(k, orientation)).Order().ShouldBe(Enumerable.Range(0, 64));
    }

    [Theory]
    [MemberData(nameof(Orientations))]
    public async Task A_network_sees_a_picture_upright_and_its_map_lies_over_the_stored_pixels(int orientation)
    {
        using var native = folder.Add("shallowfake", RightEdgeFinder(), ModelFolder.Manifest()).Load();
        var fixedSize = ModelFolder.Manifest("deepfake", "edges");
        fixedSize["size"] = JsonNode.Parse("""{"width":64,"height":48}""");
        fixedSize["face"] = JsonNode.Parse("""{"margin":1.5}""");
        using var faces = folder.Add("deepfake", RightEdgeFinder(), fixedSize).Load("deepfake");

        // Resizing rounds to bytes, and not the same way from both sides; what is turned wrongly differs by a hundred.
        foreach (var (detector, options, rounding) in new[] { (native, TestPicture.Options, 0), (faces, TestPicture.Options, 12), (faces, new AnalysisOptions { FaceCrop = false }, 12) })
        {
            using var plain = Picture(1);
            using var turned = Picture(orientation);
            var expected = (await detector.DetectAsync(plain, options, default)).Map!;
            var found = (await detector.DetectAsync(turned, options, default)).Map!;

            var shown = new byte[found.Values.Length];
            Turning.Apply(found.Values, found.Width, found.Height, 1, orientation, shown.AsSpan());
            shown.Zip(expected.Values).Max(p => Math.Abs(p.First - p.Second)).ShouldBeLessThanOrEqualTo(rounding);
            expected.Values.Max().ShouldBeGreaterThan((byte)80);
        }
    }

    [Theory]
    [MemberData(nameof(Orientations))]
    public void Faces_are_searched_upright_and_found_in_the_stored_pixels(int orientation)
    {
        using var picture = Picture(orientation);
        var geometry = picture.Facts.Geometry;
        var finder = new RedFaces();

        var face = finder.FindUpright(picture.Pixels, geometry, default).ShouldHaveSingleItem();

        finder.Saw.ShouldBe((96, 64));
        var shown = geometry.ToDisplayed(face.Box);
        (shown.X, shown.Y, shown.Width, shown.Height).ShouldBe((16, 8, 24, 32));
        geometry.ToDisplayed(face.Keypoints[0], face.Keypoints[1]).ShouldBe((16, 8));
    }

    /// <summary>96×64 as shown, a red rectangle and a face around it; the pixels stored as the orientation wants them.</summary>
    private static PreparedImage Picture(int orientation)
    {
        const int Width = 96, Height = 64;
        var red = TestPicture.RedAt(16, 8, 24, 32);
        (byte, byte, byte)[] shown = [.. Enumerable.Range(0, Width * Height).Select(i => red(i % Width, i / Width))], stored = new (byte, byte, byte)[shown.Length];
        Turning.Apply<(byte, byte, byte)>(shown, Width, Height, 1, Turning.Inverse(orientation), stored);
        var box = Geometry(Width, Height, Turning.Inverse(orientation)).ToDisplayed(new PixelBox { X = 12, Y = 8, Width = 40, Height = 40 });
        int wide = Turning.SwapsAxes(orientation) ? Height : Width;
        return TestPicture.Open(wide, shown.Length / wide, (x, y) => stored[(y * wide) + x], [TestPicture.Face(box.X, box.Y, box.Width, box.Height)], orientation: orientation);
    }

    private static ImageGeometry Geometry(int width, int height, int orientation) =>
        new() { StoredWidth = width, StoredHeight = height, AnalysedWidth = width, AnalysedHeight = height, Orientation = orientation };

    /// <summary>Marks where red ends towards the right, so that no turned or mirrored picture gives the same.</summary>
    private static byte[] RightEdgeFinder()
    {
        float[] kernel = new float[3 * 25];
        for (int i = 0; i < 25; i++)
        {
            kernel[i] = i % 5 < 2 ? 1.2f : i % 5 > 2 ? -1.2f : 0;
        }

        return new ToyOnnx()
            .Input("pixels", "n", 3, "h", "w").Output("mask", "n", 1, "mh", "mw").Output("score", "n", 1)
            .Constant("kernel", [1, 3, 5, 5], kernel).Constant("bias", [1], -4)
            .Node("Conv", ["pixels", "kernel", "bias"], ["logits"], ("pads", new long[] { 2, 2, 2, 2 }))
            .Node("Sigmoid", ["logits"], ["mask"])
            .Node("ReduceMax", ["mask"], ["score"], ("axes", new long[] { 2, 3 }), ("keepdims", 0))
            .ToBytes();
    }

    /// <summary>64 planes of one coefficient each, zigzag order.</summary>
    private static float[] Coefficients(float[] pixels, int wide, int high)
    {
        int[] zigzag =
        [
            0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
            35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
        ];
        var planes = new float[64 * wide * high];
        for (int block = 0; block < wide * high; block++)
        {
            for (int k = 0; k < 64; k++)
            {
                double sum = 0;
                for (int i = 0; i < 64; i++)
                {
                    double value = pixels[((((block / wide) * 8) + (i / 8)) * wide * 8) + ((block % wide) * 8) + (i % 8)];
                    sum += value * Math.Cos(((2 * (i % 8)) + 1) * (zigzag[k] % 8) * Math.PI / 16) * Math.Cos(((2 * (i / 8)) + 1) * (zigzag[k] / 8) * Math.PI / 16);
                }

                planes[(k * wide * high) + block] = (float)sum;
            }
        }

        return planes;
    }

    /// <summary>Takes all that is red for one face.</summary>
    private sealed class RedFaces : IFaceFinder
    {
        public (int Width, int Height) Saw { get; private set; }

        public IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken)
        {
            Saw = (width, height);
            byte[] pixels = rgb.ToArray();
            var red = Enumerable.Range(0, width * height).Where(i => pixels[3 * i] > 200).ToList();
            int x = red.Min(i => i % width), y = red.Min(i => i / width);
            return
            [
                new Face
                {
                    Box = new PixelBox { X = x, Y = y, Width = red.Max(i => i % width) - x + 1, Height = red.Max(i => i / width) - y + 1 }, Confidence = 0.9, Keypoints = [x, y],
                },
            ];
        }
    }
}
