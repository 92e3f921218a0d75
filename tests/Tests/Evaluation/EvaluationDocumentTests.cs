using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Imaging;
using Palimpsest.Local.Direct;
using Palimpsest.Local.Evaluation;

namespace Palimpsest.Tests.Evaluation;

public sealed class EvaluationDocumentTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-eval").FullName;

    [Fact]
    public void A_manifest_is_filtered_and_masks_of_authentic_rows_are_ignored()
    {
        File.WriteAllText(
            Path.Combine(folder, "manifest.csv"),
            "image,mask,label,dataset,kind,split,licence\n"
            + "a/1.jpg,a/1.png,1,casia1,shallowfake,val,x\n"
            + "a/2.jpg,,0,casia1,,train,x\n"
            + "p/3.jpg,p/3.png,0,people,photo,val,\"y, z\"\n"
            + "/abs/4.jpg,,1,faces,deepfake,val,x\n");

        var items = EvaluationManifest.Read(folder, "split=val,dataset=people|casia1");

        items.Select(i => i.Name).ShouldBe(["a/1.jpg", "p/3.jpg"]);
        items[0].Mask.ShouldBe(Path.Combine(folder, "a/1.png"));
        items[0].Kind.ShouldBe("shallowfake");
        items[1].Mask.ShouldBeNull();
        items[1].Kind.ShouldBeNull();
        EvaluationManifest.Read(Path.Combine(folder, "manifest.csv"), "dataset=faces").ShouldHaveSingleItem().Image.ShouldBe("/abs/4.jpg");
        Should.Throw<ManifestException>(() => EvaluationManifest.Read(folder, "colour=red")).Message.ShouldContain("colour");
        Should.Throw<ManifestException>(() => EvaluationManifest.Read(folder, "split")).Message.ShouldContain("split");
    }

    [Fact]
    public void A_wrong_label_is_refused_with_its_line()
    {
        File.WriteAllText(Path.Combine(folder, "manifest.csv"), "image,mask,label\na.jpg,,0\nb.jpg,,yes\n");
        Should.Throw<ManifestException>(() => EvaluationManifest.Read(folder, null)).Message.ShouldContain("line 3");
    }

    [Theory]
    [InlineData("image,mask,label,dataset\na.jpg,,0,x\nb.jpg,,1\n", "line 3")]
    [InlineData("image,label\n\na.jpg,0\n\nb.jpg\n", "line 5")]
    [InlineData("image,label\na.jpg,0\nb\"c\".jpg,1\n", "line 3")]
    [InlineData("image,label\na.jpg,0\nb\".jpg,1\n", "line 3")]
    [InlineData("image,label\na.jpg,0\n\"b.jpg,1\nc.jpg,1\n", "line 3")]
    [InlineData("image,label\n\"a\nb.jpg\",0\nc.jpg,yes\n", "line 4")]
    [InlineData("", "empty")]
    public void A_manifest_that_is_no_csv_is_refused_with_its_line(string text, string where)
    {
        File.WriteAllText(Path.Combine(folder, "manifest.csv"), text);
        string message = Should.Throw<ManifestException>(() => EvaluationManifest.Read(folder, null)).Message;
        message.ShouldContain(where);
        message.ShouldContain("manifest.csv");
    }

    [Fact]
    public void A_folder_has_the_pictures_that_a_scan_would_look_at()
    {
        foreach (string extension in Palimpsest.Local.Commands.ScanOutput.PictureExtensions)
        {
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "authentic")).FullName, "a" + extension), "");
        }

        EvaluationManifest.Read(folder, null).Select(i => Path.GetExtension(i.Image)).ShouldBe(Palimpsest.Local.Commands.ScanOutput.PictureExtensions, ignoreOrder: true);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("jpeg70")]
    public async Task A_picture_that_cannot_be_shown_is_left_out_of_the_gallery(string? degrade)
    {
        string picture = Path.Combine(folder, "a.jpg");
        await File.WriteAllTextAsync(picture, "what the decoder process reads and this one does not");
        var item = new EvaluationItem { Image = picture, Name = "a.jpg", Forged = true, Dataset = "x" };
        var result = new DirectResult
        {
            Path = picture, Map = new ProbabilityMap(8, 8, new byte[64]),
            Geometry = new ImageGeometry { StoredWidth = 32, StoredHeight = 32, AnalysedWidth = 32, AnalysedHeight = 32, Orientation = 1 },
        };
        var evaluator = new Evaluator((_, _) => Task.FromResult(result), degrade is null ? null : Degradation.Parse(degrade), folder, TimeProvider.System);
        (await evaluator.PictureAsync(new ImageOutcome { Item = item }, 64, CancellationToken.None)).ShouldBeNull();
    }

    [Fact]
    public async Task A_mistake_that_one_picture_meets_is_its_row_and_an_interruption_is_none()
    {
        EvaluationItem[] items = [.. new[] { "a", "b", "c" }.Select(n => new EvaluationItem { Image = n, Name = n, Forged = false, Dataset = "x" })];
        var (outcomes, _) = await Evaluator("b", new ArgumentException("a square beside the picture")).RunAsync(items, 1, _ => { }, default);
        outcomes.Select(o => o.Error).ShouldBe([null, "a square beside the picture", null]);
        await Should.ThrowAsync<OperationCanceledException>(() => Evaluator("b", new OperationCanceledException()).RunAsync(items, 1, _ => { }, default));
        await Should.ThrowAsync<OutOfMemoryException>(() => Evaluator("b", new OutOfMemoryException()).RunAsync(items, 1, _ => { }, default));

        Evaluator Evaluator(string bad, Exception thrown) => new((path, _) => path == bad ? throw thrown : Task.FromResult(new DirectResult { Path = path }), null, folder, TimeProvider.System);
    }

    [Fact]
    public void In_per_image_csv_texts_are_no_formulas_and_numbers_stay_numbers()
    {
        var outcome = Outcome(forged: true, score: 0.25, Verdicts.LikelyFake, null, ["shallowfake"]) with
        {
            Item = new EvaluationItem { Image = "/x.jpg", Name = "@x.jpg", Forged = true, Dataset = "=d" }, DurationMs = 12.34, Error = "+1",
            Scores = new Dictionary<string, (double?, double?)> { ["shallowfake"] = (-1.5, 0.25) },
        };
        PerImageCsv.Write(Path.Combine(folder, "p.csv"), [outcome]);
        File.ReadAllLines(Path.Combine(folder, "p.csv"))[1].ShouldBe("./@x.jpg,'=d,1,,likely_fake,0.25,,shallowfake,-1.5,0.25,,,,,,,,12.3,'+1");
    }

    [Fact]
    public void Metrics_json_has_the_published_names_and_nulls_for_what_cannot_be_computed()
    {
        ImageOutcome[] outcomes =
        [
            Outcome(forged: true, score: 0.9, Verdicts.LikelyFake, pixel: new PixelMetrics { F1 = 0.8, BestF1 = 0.9, Iou = 0.7, Auc = 0.95 }, routed: ["shallowfake"]),
            Outcome(forged: true, score: 0.6, Verdicts.Uncertain, pixel: null, routed: ["shallowfake", "deepfake"]),
            Outcome(forged: false, score: 0.1, Verdicts.LikelyReal, pixel: null, routed: ["shallowfake"]),
            Outcome(forged: false, score: 0.7, Verdicts.LikelyFake, pixel: null, routed: ["deepfake"]) with { EmptyMask = false },
            Outcome(forged: false, score: null, null, pixel: null, routed: []) with { Error = "image_truncated: cut" },
        ];
        var all = DatasetMetrics.Of(outcomes, 12.5);
        var document = new MetricsDocument
        {
            Datasets = new Dictionary<string, DatasetMetrics> { ["empty"] = DatasetMetrics.Of([outcomes[2]], null) }, All = all, Models = [], Detectors = "auto",
        };

        var json = JsonSerializer.SerializeToElement(document, PlatformJson.Options);
        var m = json.GetProperty("all");
        m.GetProperty("counts").GetProperty("forged_with_mask").GetInt32().ShouldBe(1);
        m.GetProperty("counts").GetProperty("authentic").GetInt32().ShouldBe(2);
        m.GetProperty("pixel").GetProperty("f1_at_0_5").GetDouble().ShouldBe(0.8);
        m.GetProperty("pixel").GetProperty("f1_best").GetDouble().ShouldBe(0.9);
        m.GetProperty("pixel").GetProperty("iou_at_0_5").GetDouble().ShouldBe(0.7);
        m.GetProperty("pixel").GetProperty("auc").GetDouble().ShouldBe(0.95);
        m.GetProperty("pixel").GetProperty("paper_f1").GetDouble().ShouldBe((0.8 + 1 + 0) / 3, 1e-12);
        m.GetProperty("pixel").GetProperty("f1_at_0_5_interval_95").GetArrayLength().ShouldBe(2);
        foreach (string name in (string[])["accuracy", "sensitivity", "specificity", "f1", "paper_f1", "auc", "average_precision", "false_alarm_at_95_sensitivity", "ece"])
        {
            m.GetProperty("image").GetProperty(name).ValueKind.ShouldBe(JsonValueKind.Number, name);
        }

        m.GetProperty("image").GetProperty("auc").GetDouble().ShouldBe(0.75);
        m.GetProperty("verdicts").GetProperty("likely_fake").GetInt32().ShouldBe(2);
        m.GetProperty("verdicts").GetProperty("error").GetInt32().ShouldBe(1);
        // One of two forged pictures went to its own localizer alone; both is never right.
        m.GetProperty("routing_accuracy").GetDouble().ShouldBe(0.5);
        m.GetProperty("images_per_second").GetDouble().ShouldBe(12.5);
        var empty = json.GetProperty("datasets").GetProperty("empty");
        empty.GetProperty("pixel").GetProperty("f1_at_0_5").ValueKind.ShouldBe(JsonValueKind.Null);
        empty.GetProperty("image").GetProperty("auc").ValueKind.ShouldBe(JsonValueKind.Null);
        json.GetProperty("calibration_version").ValueKind.ShouldBe(JsonValueKind.Null);
    }

    [Fact]
    public void Data_sets_share_the_time_of_a_run_by_the_work_they_were()
    {
        ImageOutcome Took(string dataset, double seconds) =>
            new() { Item = new EvaluationItem { Image = "/x.jpg", Name = "x.jpg", Forged = false, Dataset = dataset }, Took = TimeSpan.FromSeconds(seconds) };
        ImageOutcome[] small = [Took("small", 1), Took("small", 1)], large = [Took("large", 6)], all = [.. small, .. large];
        var elapsed = TimeSpan.FromSeconds(4); // two at a time
        MetricsDocument.Rate(small, all, elapsed).ShouldBe(2.0);
        MetricsDocument.Rate(large, all, elapsed)!.Value.ShouldBe(1 / 3.0, 1e-12);
        MetricsDocument.Rate(all, all, elapsed).ShouldBe(0.75);
        MetricsDocument.Rate([], all, elapsed).ShouldBeNull();
    }

    [Fact]
    public void The_report_is_one_file_with_every_plot_and_escapes_names()
    {
        ImageOutcome[] outcomes =
        [
            Outcome(forged: true, score: 0.9, Verdicts.LikelyFake, new PixelMetrics { F1 = 0.8, BestF1 = 0.9, Iou = 0.7, Auc = 0.95 }, ["shallowfake"]),
            Outcome(forged: false, score: 0.2, Verdicts.LikelyReal, null, ["shallowfake"]),
            Outcome(forged: false, score: null, null, null, []) with { Error = "<script>" },
        ];
        var metrics = new MetricsDocument
        {
            Datasets = new Dictionary<string, DatasetMetrics> { ["a<b"] = DatasetMetrics.Of(outcomes, null) }, All = DatasetMetrics.Of(outcomes, 3), Models = [], Detectors = "auto",
        };
        string html = HtmlReport.Render("t", metrics, outcomes, [new GalleryEntry(outcomes[0], [1], [2], [3])], []);
        foreach (string title in (string[])["ROC", "DET", "Precision and recall", "Calibration", "Confusion at score 0.5", "Scores", "Pixel F1@0.5"])
        {
            html.ShouldContain($"aria-label='{title}");
        }

        html.ShouldNotContain("<script>");
        html.ShouldNotContain("a<b");
        html.ShouldNotContain("NaN");
        html.ShouldContain("data:image/jpeg;base64,AQ==");
        html.ShouldNotContain("http", Case.Insensitive);
    }

    [Fact]
    public void Noise_is_the_same_for_the_same_file_and_has_the_stated_strength()
    {
        byte[] a = [.. Enumerable.Repeat((byte)128, 60_000)], b = [.. a], c = [.. a];
        Degradation.AddNoise(a, "x.jpg", 5);
        Degradation.AddNoise(b, "x.jpg", 5);
        Degradation.AddNoise(c, "y.jpg", 5);
        a.ShouldBe(b);
        a.AsSpan().SequenceEqual(c).ShouldBeFalse();
        double mean = a.Average(v => (double)v), sigma = Math.Sqrt(a.Average(v => Math.Pow(v - mean, 2)));
        mean.ShouldBe(128, 0.1);
        sigma.ShouldBe(5, 0.1);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static ImageOutcome Outcome(bool forged, double? score, string? verdict, PixelMetrics? pixel, string[] routed) => new()
    {
        Item = new EvaluationItem { Image = "/x.jpg", Name = "x.jpg", Forged = forged, Dataset = "a<b", Kind = forged ? "shallowfake" : null },
        Score = score, Verdict = verdict, Pixel = pixel, EmptyMask = true, RoutedTo = routed,
    };
}
