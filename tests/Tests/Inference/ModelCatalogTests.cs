using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Palimpsest.Contracts;
using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class ModelCatalogTests : IDisposable
{
    private readonly ModelFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_model_that_is_what_its_manifest_says_is_loaded()
    {
        folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());

        using var detector = folder.Load();

        detector.Unavailable.ShouldBeNull();
        detector.Model.ShouldNotBeNull().Name.ShouldBe("toy");
        detector.Model.Sha256.ShouldBe(Convert.ToHexStringLower(SHA256.HashData(ModelFolder.RedFinder())));
        detector.Provider.ShouldBe("cpu");
    }

    [Fact]
    public async Task A_file_with_another_hash_is_refused_and_never_scores()
    {
        var manifest = ModelFolder.Manifest();
        manifest["sha256"] = new string('a', 64);
        folder.Add("shallowfake", ModelFolder.RedFinder(), manifest);

        using var detector = folder.Load();

        detector.Model.ShouldBeNull();
        detector.Unavailable.ShouldNotBeNull().ShouldContain($"expected {new string('a', 64)}");
        using var picture = TestPicture.Open(32, 32, TestPicture.RedAt(0, 0, 8, 8));
        await Should.ThrowAsync<DetectorUnavailableException>(detector.DetectAsync(picture, TestPicture.Options, default));
    }

    [Fact]
    public async Task Work_that_comes_while_the_model_is_being_loaded_waits_for_it()
    {
        folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());
        using var detector = new ModelDetector("shallowfake", folder.Options(), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<ModelDetector>.Instance);
        using var picture = TestPicture.Open(32, 32, TestPicture.RedAt(0, 0, 8, 8));
        var early = detector.DetectAsync(picture, TestPicture.Options, default);
        early.IsCompleted.ShouldBeFalse();

        detector.Load();

        (await early).State.ShouldBe(DetectorStates.Completed);
    }

    [Fact]
    public void A_single_changed_byte_is_found()
    {
        byte[] network = ModelFolder.RedFinder();
        folder.Add("shallowfake", network, ModelFolder.Manifest());
        network[^20] ^= 1;
        File.WriteAllBytes(Path.Combine(folder.Path, "shallowfake.onnx"), network);

        using var detector = folder.Load();
        detector.Unavailable.ShouldNotBeNull().ShouldContain("not the one its manifest describes");
    }

    [Fact]
    public void Nothing_there_is_said_plainly()
    {
        using var none = folder.Load();
        none.Unavailable.ShouldBe("There is no model for shallowfake.");

        folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());
        File.Delete(Path.Combine(folder.Path, "shallowfake.onnx"));
        using var missing = folder.Load();
        missing.Unavailable.ShouldBe("The model file shallowfake.onnx named by shallowfake.json is missing.");
    }

    [Fact]
    public void A_manifest_that_cannot_be_read_is_reported_not_skipped()
    {
        File.WriteAllText(Path.Combine(folder.Path, "shallowfake.json"), "{ \"name\": ");
        using var detector = folder.Load();
        detector.Unavailable.ShouldNotBeNull().ShouldContain("shallowfake.json: The manifest cannot be read");
    }

    [Fact]
    public void Other_files_in_the_folder_are_no_models()
    {
        File.WriteAllText(Path.Combine(folder.Path, "calibration.json"), """{"version":"1","detectors":{}}""");
        folder.Add("mine", ModelFolder.RedFinder(), ModelFolder.Manifest("deepfake"));
        folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());
        using var detector = folder.Load();
        detector.Unavailable.ShouldBeNull();
    }

    [Fact]
    public void Of_several_models_the_ordinary_one_serves_unless_another_is_chosen()
    {
        folder.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest(name: "ours")).Add("other", ModelFolder.RedFinder(), ModelFolder.Manifest(name: "theirs"));
        using var ours = folder.Load();
        ours.Model!.Name.ShouldBe("ours");

        var options = folder.Options();
        options.Choose["shallowfake"] = "theirs";
        using var theirs = folder.Load(options: options);
        theirs.Model!.Name.ShouldBe("theirs");

        options.Choose["shallowfake"] = "nobody's";
        using var nobody = folder.Load(options: options);
        nobody.Unavailable.ShouldNotBeNull().ShouldContain("nobody's");
    }

    [Fact]
    public void The_choice_can_be_configured()
    {
        var options = new InferenceOptions();
        new ConfigurationBuilder().AddInMemoryCollection([new("Inference:Choose:shallowfake", "theirs"), new("Inference:MaxDelayMs", "1.5")]).Build()
            .GetSection(InferenceRegistration.Section).Bind(options);
        options.Choose["shallowfake"].ShouldBe("theirs");
        options.MaxDelayMs.ShouldBe(1.5);
    }

    [Theory]
    [InlineData("file", "\"../../etc/passwd\"", "plain file name")]
    [InlineData("sha256", "\"abc\"", "64 hex digits")]
    [InlineData("detector", "\"weather\"", "detector is 'weather'")]
    [InlineData("threshold", "1.5", "threshold")]
    [InlineData("outputs", "{}", "mask or a score")]
    [InlineData("inputs", "{}", "inputs.pixels is missing")]
    [InlineData("inputs", """{"pixels":{"name":"p","layout":"chw"}}""", "layout is 'chw'")]
    [InlineData("inputs", """{"pixels":{"name":"p","channels":"yuv"}}""", "channels is 'yuv'")]
    [InlineData("inputs", """{"pixels":{"name":"p","type":"int8"}}""", "type is 'int8'")]
    [InlineData("inputs", """{"pixels":{"name":"p","type":"uint8"}}""", "layout nhwc")]
    [InlineData("inputs", """{"pixels":{"name":"p","type":"uint8","layout":"nhwc","channels":"bgr"}}""", "channels rgb")]
    [InlineData("inputs", """{"pixels":{"name":"p","std":[1,0,1]}}""", "std not 0")]
    [InlineData("inputs", """{"pixels":{"name":"p"},"dct":{"name":"d","coefficients":65}}""", "1..64")]
    [InlineData("size", """{"width":512}""", "both be 0")]
    [InlineData("size", """{"width":0,"height":0,"multiple_of":12}""", null)]
    [InlineData("face", """{"margin":1.5}""", "fixed size")]
    [InlineData("face", """{"margin":1.5,"native":0.5}""", "face.native")]
    [InlineData("tiling", """{"max_pixels":4194304,"tile":1000,"overlap":600}""", "overlap")]
    [InlineData("name", "7", "cannot be read")]
    [InlineData("sha256", "null", "sha256")]
    [InlineData("inputs", "null", "inputs")]
    [InlineData("inputs", """{"pixels":{"name":"p","std":null}}""", "std")]
    [InlineData("outputs", """{"mask":{"name":null}}""", "name")]
    public void A_wrong_field_is_named(string field, string value, string? complaint)
    {
        var manifest = ModelFolder.Manifest();
        manifest["file"] = "toy.onnx";
        manifest["sha256"] = new string('0', 64);
        manifest["tiling"] = JsonNode.Parse("""{"tile":960}"""); // a multiple of 8 and of 12
        manifest[field] = JsonNode.Parse(value);
        byte[] json = System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString());

        if (complaint is null)
        {
            ModelManifest.Parse(json).Name.ShouldBe("toy");
        }
        else
        {
            Should.Throw<InvalidDataException>(() => ModelManifest.Parse(json)).Message.ShouldContain(complaint);
        }
    }

    [Fact]
    public void A_field_of_the_future_is_kept_and_reported()
    {
        var manifest = ModelFolder.Manifest();
        manifest["file"] = "toy.onnx";
        manifest["sha256"] = new string('0', 64);
        manifest["flavour"] = "vanilla";
        ModelManifest.Parse(System.Text.Encoding.UTF8.GetBytes(manifest.ToJsonString())).Unknown!.Keys.ShouldBe(["flavour"]);
    }

    [Fact]
    public void A_network_that_does_not_fit_its_manifest_is_refused()
    {
        var wrongName = ModelFolder.Manifest();
        wrongName["inputs"]!["pixels"]!["name"] = "image";
        folder.Add("shallowfake", ModelFolder.RedFinder(), wrongName);
        using var detector = folder.Load();
        detector.Unavailable.ShouldNotBeNull().ShouldContain("no input 'image', only pixels");

        var wrongOutput = ModelFolder.Manifest();
        wrongOutput["outputs"]!["mask"]!["name"] = "heat";
        folder.Add("shallowfake", ModelFolder.RedFinder(), wrongOutput);
        using var other = folder.Load();
        other.Unavailable.ShouldNotBeNull().ShouldContain("no output 'heat'");

        folder.Add("shallowfake", [1, 2, 3], ModelFolder.Manifest());
        using var garbage = folder.Load();
        garbage.Unavailable.ShouldNotBeNull().ShouldContain("cannot be loaded");
    }
}
