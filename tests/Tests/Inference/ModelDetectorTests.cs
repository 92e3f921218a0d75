using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class ModelDetectorTests : IDisposable
{
    private readonly ModelFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task A_native_resolution_network_marks_what_it_sees_at_any_size()
    {
        using var detector = folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest()).Load();
        foreach (var (width, height) in new[] { (200, 120), (61, 47), (333, 90) })
        {
            using var picture = TestPicture.Open(width, height, TestPicture.RedAt(16, 8, 32, 32));

            var found = await detector.DetectAsync(picture, TestPicture.Options, default);

            found.State.ShouldBe(DetectorStates.Completed);
            found.Score.ShouldNotBeNull().ShouldBeGreaterThan(0.99);
            (found.Map!.Width, found.Map.Height).ShouldBe(((width + 3) / 4, (height + 3) / 4));
            TestPicture.Mean(found.Map, 5, 3, 6, 6).ShouldBeGreaterThan(0.95);
            TestPicture.Mean(found.Map, 13, 0, found.Map.Width - 13, found.Map.Height).ShouldBeLessThan(0.05);
            found.Activation.ShouldBeNull();
        }
    }

    [Fact]
    public async Task Tiles_give_the_map_that_the_whole_picture_gives()
    {
        using var whole = folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest()).Load();
        using var other = new ModelFolder();
        var manifest = ModelFolder.Manifest();
        manifest["tiling"] = JsonNode.Parse("""{"max_pixels":20000,"tile":128,"overlap":48}""");
        using var tiled = other.Add("shallowfake", ModelFolder.RedFinder(), manifest).Load();

        // Waves of red, some of them right across tile borders.
        using var picture = TestPicture.Open(437, 301, (x, y) => ((byte)(127 + (120 * Math.Sin(x / 23.0) * Math.Cos(y / 17.0))), 0, 0));
        var expected = await whole.DetectAsync(picture, TestPicture.Options, default);
        var actual = await tiled.DetectAsync(picture, TestPicture.Options, default);

        int[] differences = [.. expected.Map!.Values.Zip(actual.Map!.Values, (a, b) => Math.Abs(a - b))];
        differences.Average().ShouldBeLessThan(0.05);
        differences.Max().ShouldBeLessThanOrEqualTo(2); // a tile's own border sees padding; the blend leaves it out
        expected.Map.Values.Max().ShouldBeGreaterThan((byte)200);
    }

    [Fact]
    public async Task A_plugged_in_network_with_everything_different_is_wired_by_its_manifest()
    {
        // Fixed 64×48, N×H×W×C, BGR, normalised by mean and standard deviation, two-channel logits: "blue more than 0.5" against nothing.
        byte[] network = new ToyOnnx()
            .Input("image", 1, 48, 64, 3).Output("logits", 1, 2, 48, 64)
            .Constant("kernel", [2, 3, 1, 1], 0, 0, 0, 12, 0, 0).Constant("bias", [2], 0, 0)
            .Node("Transpose", ["image"], ["planes"], ("perm", new long[] { 0, 3, 1, 2 }))
            .Node("Conv", ["planes", "kernel", "bias"], ["logits"])
            .ToBytes();
        using var detector = folder.Add("plugin", network, new JsonObject
        {
            ["name"] = "blue", ["version"] = "3", ["detector"] = "deepfake",
            ["inputs"] = JsonNode.Parse("""{"pixels":{"name":"image","layout":"nhwc","channels":"bgr","scale":0.00392156862745098,"mean":[0.5,0.5,0.5],"std":[0.25,0.25,0.25]}}"""),
            ["size"] = JsonNode.Parse("""{"width":64,"height":48}"""),
            ["outputs"] = JsonNode.Parse("""{"mask":{"name":"logits","activation":"softmax"}}"""),
        }).Load("deepfake");
        detector.Unavailable.ShouldBeNull();
        using var picture = TestPicture.Open(200, 160, (x, _) => x >= 100 ? ((byte)0, (byte)0, (byte)255) : ((byte)255, (byte)0, (byte)0));

        var found = await detector.DetectAsync(picture, TestPicture.Options, default);

        TestPicture.Mean(found.Map!, 0, 0, 23, 40).ShouldBeLessThan(0.01);
        TestPicture.Mean(found.Map!, 27, 0, 23, 40).ShouldBeGreaterThan(0.99);
        found.Score.ShouldNotBeNull().ShouldBeGreaterThan(0.99); // no score of its own: the mask's highest hundredth
    }

    [Theory]
    [InlineData(240, 160)]
    [InlineData(203, 157)] // padded
    [InlineData(1500, 1100)] // tiled
    public async Task A_network_that_takes_bytes_sees_what_one_of_floats_sees(int width, int height)
    {
        var small = JsonNode.Parse("""{"max_pixels":1048576,"tile":512,"overlap":64}""")!;
        JsonObject floats = ModelFolder.Manifest(), bytes = ModelFolder.Manifest("deepfake");
        (floats["tiling"], bytes["tiling"]) = (small.DeepClone(), small);
        bytes["inputs"] = JsonNode.Parse("""{"pixels":{"name":"pixels","type":"uint8","layout":"nhwc"}}""");
        using var one = folder.Add("shallowfake", ModelFolder.RedFinder(), floats).Load();
        using var other = folder.Add("deepfake", ModelFolder.RedFinder(ofBytes: true), bytes).Load("deepfake");
        other.Unavailable.ShouldBeNull();
        using var picture = TestPicture.Open(width, height, TestPicture.RedAt(width / 2, height / 3, width / 2, height / 2));

        var (expected, found) = (await one.DetectAsync(picture, TestPicture.Options, default), await other.DetectAsync(picture, TestPicture.Options, default));

        expected.Map!.Values.Max().ShouldBe((byte)255);
        found.Map!.Values.Zip(expected.Map.Values).Max(pair => Math.Abs(pair.First - pair.Second)).ShouldBeLessThanOrEqualTo(1);
        found.Score!.Value.ShouldBe(expected.Score!.Value, 1e-4);
    }

    [Fact]
    public void A_network_of_bytes_must_be_called_one()
    {
        var manifest = ModelFolder.Manifest();
        manifest["inputs"] = JsonNode.Parse("""{"pixels":{"name":"pixels","layout":"nhwc"}}""");
        using var detector = folder.Add("shallowfake", ModelFolder.RedFinder(ofBytes: true), manifest).Load();
        detector.Unavailable.ShouldNotBeNull().ShouldContain("takes Byte, not 32-bit floats");
    }

    [Fact]
    public async Task Faces_are_examined_one_by_one_and_drawn_back()
    {
        using var detector = folder.Add("deepfake", ModelFolder.RedFinder(), FaceManifest()).Load("deepfake");
        detector.Unavailable.ShouldBeNull();
        Face[] faces = [TestPicture.Face(20, 20, 40, 40), TestPicture.Face(140, 40, 60, 60), TestPicture.Face(5, 110, 40, 40)];
        using var picture = TestPicture.Open(240, 160, TestPicture.RedAt(150, 50, 40, 40), faces);

        var found = await detector.DetectAsync(picture, TestPicture.Options, default);

        found.State.ShouldBe(DetectorStates.Completed);
        found.FaceScores.Count.ShouldBe(3);
        found.FaceScores[1].ShouldBeGreaterThan(0.99);
        found.FaceScores[0].ShouldBeLessThan(0.01);
        found.FaceScores[2].ShouldBeLessThan(0.01);
        found.Score.ShouldNotBeNull().ShouldBeGreaterThan(0.98);
        TestPicture.Mean(found.Map!, 39, 14, 6, 6).ShouldBeGreaterThan(0.95);
        TestPicture.Mean(found.Map!, 0, 0, 30, 40).ShouldBeLessThan(0.01);
    }

    [Fact]
    public async Task Without_a_face_it_does_not_apply_unless_the_whole_picture_is_asked_for()
    {
        using var detector = folder.Add("deepfake", ModelFolder.RedFinder(), FaceManifest()).Load("deepfake");
        using var picture = TestPicture.Open(240, 160, TestPicture.RedAt(120, 80, 120, 80));

        var none = await detector.DetectAsync(picture, TestPicture.Options, default);
        none.State.ShouldBe(DetectorStates.NotApplicable);
        none.Score.ShouldBeNull();
        none.Map.ShouldBeNull();

        var whole = await detector.DetectAsync(picture, new AnalysisOptions { FaceCrop = false }, default);
        whole.State.ShouldBe(DetectorStates.Completed);
        TestPicture.Mean(whole.Map!, 33, 23, 24, 14).ShouldBeGreaterThan(0.95);
        TestPicture.Mean(whole.Map!, 0, 0, 26, 40).ShouldBeLessThan(0.05);
    }

    [Fact]
    public async Task The_file_s_own_coefficients_reach_the_network_only_on_their_own_grid()
    {
        // score = sigmoid(table[0]·0 + mean of coefficient 1 over the blocks), mask = that coefficient's sign.
        byte[] network = new ToyOnnx()
            .Input("pixels", "n", 3, "h", "w").Input("dct", "n", 2, "bh", "bw").Input("qtable", "n", 64)
            .Output("mask", "n", 1, "bh2", "bw2").Output("score", "n", 1)
            .Constant("pick", [1, 2, 1, 1], 0, 1).Constant("first", [64, 1], [1, .. Enumerable.Repeat(0f, 63)])
            .Constant("third", [1], 1 / 3f).Constant("zero", [1], 0)
            .Node("Conv", ["dct", "pick"], ["second"]).Node("Sigmoid", ["second"], ["mask"])
            .Node("MatMul", ["qtable", "first"], ["step"]).Node("Mul", ["step", "third"], ["score"])
            .ToBytes();
        var manifest = ModelFolder.Manifest();
        manifest["inputs"] = JsonNode.Parse("""{"pixels":{"name":"pixels"},"dct":{"name":"dct","coefficients":2},"qtable":{"name":"qtable"}}""");
        // The toy does not read the pixels, which ONNX Runtime still demands: it keeps unused inputs.
        using var detector = folder.Add("shallowfake", network, manifest).Load();
        detector.Unavailable.ShouldBeNull();
        var jpeg = new JpegFacts { LuminanceTable = [3, .. Enumerable.Repeat(9, 63)], QualityEstimate = 90, StandardTable = true, Subsampling = "4:4:4", Progressive = false };
        using var withHistory = TestPicture.Open(64, 48, (_, _) => (0, 0, 0), coefficient: (x, _, k) => (short)(k != 1 ? 0 : x >= 4 ? 50 : -50), jpeg: jpeg);
        using var without = TestPicture.Open(64, 48, (_, _) => (0, 0, 0));

        var found = await detector.DetectAsync(withHistory, TestPicture.Options, default);
        found.Score.ShouldBe(1);
        TestPicture.Mean(found.Map!, 0, 0, 7, 12).ShouldBeLessThan(0.01);
        TestPicture.Mean(found.Map!, 9, 0, 7, 12).ShouldBeGreaterThan(0.99);

        var blank = await detector.DetectAsync(without, TestPicture.Options, default);
        blank.Score.ShouldBe(0);
        TestPicture.Mean(blank.Map!, 0, 0, 16, 12).ShouldBe(0.5, 0.01); // sigmoid of no coefficient
    }

    [Fact]
    public async Task Faces_that_fit_are_shown_at_the_file_s_own_pixels_with_its_coefficients()
    {
        // mask = sigmoid of coefficient 1, score = the table's first entry ÷ 3 (0 without a table).
        byte[] network = new ToyOnnx()
            .Input("pixels", "n", 3, 64, 64).Input("dct", "n", 2, 8, 8).Input("qtable", "n", 64)
            .Output("mask", "n", 1, "mh", "mw").Output("score", "n", 1)
            .Constant("pick", [1, 2, 1, 1], 0, 1).Constant("first", [64, 1], [1, .. Enumerable.Repeat(0f, 63)]).Constant("third", [1], 1 / 3f)
            .Node("Conv", ["dct", "pick"], ["second"]).Node("Sigmoid", ["second"], ["mask"])
            .Node("MatMul", ["qtable", "first"], ["step"]).Node("Mul", ["step", "third"], ["score"])
            .ToBytes();
        var manifest = FaceManifest();
        manifest["inputs"] = JsonNode.Parse("""{"pixels":{"name":"pixels"},"dct":{"name":"dct","coefficients":2},"qtable":{"name":"qtable"}}""");
        manifest["face"] = JsonNode.Parse("""{"margin":1.5,"native":1.25}""");
        using var detector = folder.Add("deepfake", network, manifest).Load("deepfake");
        detector.Unavailable.ShouldBeNull();
        var jpeg = new JpegFacts { LuminanceTable = [3, .. Enumerable.Repeat(9, 63)], QualityEstimate = 90, StandardTable = true, Subsampling = "4:4:4", Progressive = false };
        Face[] faces = [TestPicture.Face(60, 30, 40, 40), TestPicture.Face(150, 20, 80, 80)];
        using var picture = TestPicture.Open(240, 160, (_, _) => (0, 0, 0), faces, coefficient: (x, _, k) => (short)(k != 1 ? 0 : x >= 10 ? 50 : -50), jpeg: jpeg);

        var found = await detector.DetectAsync(picture, TestPicture.Options, default);

        found.FaceScores[0].ShouldBe(1);                                    // 40 · 1.25 fits 64: own pixels, own table
        found.FaceScores[1].ShouldBe(0);                                    // 80 does not: shrunk, no history
        TestPicture.Mean(found.Map!, 12, 5, 7, 14).ShouldBeLessThan(0.05);  // blocks 6..9 of the window that begins at block 6
        TestPicture.Mean(found.Map!, 21, 5, 6, 14).ShouldBeGreaterThan(0.95);
    }

    [Theory]
    [InlineData(60, 30, 40, 256, 256, 0, 0)]        // nothing to choose: the window is the picture
    [InlineData(300, 200, 100, 1000, 800, 224, 120)]
    [InlineData(0, 0, 100, 1000, 800, 0, 0)]
    [InlineData(930, 740, 60, 1000, 803, 744, 544)] // held inside, on the grid
    [InlineData(20, 20, 60, 90, 300, 0, 0)]         // narrower than the window
    public void The_native_window_lies_on_the_grid_and_inside(int x, int y, int side, int width, int height, int left, int top)
    {
        var box = new PixelBox { X = x, Y = y, Width = side, Height = side };

        FaceLocalizer.Native(box, 1.25, new ModelSize { Width = 256, Height = 256 }, width, height).ShouldBe(new Region(left, top, 256, 256));

        FaceLocalizer.Native(box with { Width = 206 }, 1.25, new ModelSize { Width = 256, Height = 256 }, width, height).ShouldBeNull();
        FaceLocalizer.Native(box, 0, new ModelSize { Width = 256, Height = 256 }, width, height).ShouldBeNull();
    }

    [Fact]
    public async Task A_value_that_is_no_number_fails_one_picture_and_not_its_neighbours()
    {
        // score = ½ + 0 · log(least red): not a number for a picture with a pixel without red.
        byte[] network = new ToyOnnx()
            .Input("pixels", "n", 3, "h", "w").Output("mask", "n", 1, "mh", "mw").Output("score", "n", 1)
            .Constant("red", [1, 3, 1, 1], 1, 0, 0).Constant("zero", [1], 0).Constant("half", [1], 0.5f)
            .Node("Conv", ["pixels", "red"], ["mask"]).Node("Log", ["mask"], ["log"])
            .Node("ReduceMin", ["log"], ["least"], ("axes", new long[] { 2, 3 }), ("keepdims", 0))
            .Node("Mul", ["least", "zero"], ["nothing"]).Node("Add", ["nothing", "half"], ["score"])
            .ToBytes();
        var options = folder.Options();
        (options.MaxBatch, options.MaxDelayMs) = (3, 5_000); // the three below fill one batch
        // Its warm-up picture is black, which this network cannot stand: so the runtime is asked directly, through the same batcher.
        using var runtime = new OnnxNetwork("toy", network, options, NullLogger.Instance);
        using var batcher = new DynamicBatcher<float[], float>(
            batch =>
            {
                using var outputs = runtime.Run([new NetworkInput("pixels", batch.SelectMany(item => item).ToArray(), [batch.Count, 3, 8, 8])], ["score"]);
                return outputs.Values(0).ToArray();
            },
            (_, _) => true, _ => 64, new BatcherOptions { Name = "toy", MaxBatch = 3, MaxDelay = TimeSpan.FromSeconds(5) }, TimeProvider.System);
        float[] good = [.. Enumerable.Repeat(0.5f, 192)], bad = new float[192];

        var tasks = new[] { good, bad, good }.Select(item => batcher.SubmitAsync(item, default)).ToArray();

        (await Should.ThrowAsync<InferenceException>(tasks[1])).Message.ShouldContain("not a number");
        (await Task.WhenAll(tasks[0], tasks[2])).ShouldBe([0.5f, 0.5f]);
        Should.Throw<InferenceException>(() => runtime.Run([new NetworkInput("pixels", good, [1, 4, 6, 8])], ["score"])).Message.ShouldContain("toy failed");
        using var refused = folder.Add("shallowfake", network, ModelFolder.Manifest()).Load();
        refused.Unavailable.ShouldNotBeNull().ShouldContain("failed its first run"); // and never becomes ready
    }

    [Fact]
    public async Task Logits_that_a_manifest_calls_probabilities_are_not_shown_as_such()
    {
        byte[] network = new ToyOnnx()
            .Input("pixels", "n", 3, "h", "w").Output("mask", "n", 1, "mh", "mw")
            .Constant("red", [1, 3, 1, 1], 9, 0, 0).Node("Conv", ["pixels", "red"], ["mask"]).ToBytes();
        var manifest = ModelFolder.Manifest();
        manifest["outputs"] = JsonNode.Parse("""{"mask":{"name":"mask"}}""");
        using var detector = folder.Add("shallowfake", network, manifest).Load();
        using var picture = TestPicture.Open(32, 32, TestPicture.RedAt(0, 0, 32, 32));

        (await Should.ThrowAsync<InferenceException>(detector.DetectAsync(picture, TestPicture.Options, default))).Message.ShouldContain("activation sigmoid");
    }

    private static JsonObject FaceManifest()
    {
        var manifest = ModelFolder.Manifest("deepfake");
        manifest["size"] = JsonNode.Parse("""{"width":64,"height":64}""");
        manifest["face"] = JsonNode.Parse("""{"margin":1.2}""");
        return manifest;
    }
}
