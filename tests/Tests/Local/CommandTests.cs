using System.Globalization;
using CsvHelper;
using Palimpsest.Local.Commands;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Local;

[Collection(CommandRun.Console)]
public sealed class CommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-scan-").FullName;

    [Theory]
    [InlineData("scan")]
    [InlineData("scan", "/nowhere/at/all.jpg")]
    [InlineData("scan", ".", "--detectors", "everything")]
    [InlineData("scan", ".", "--colour")]
    [InlineData("scan", ".", "--parallel", "0")]
    [InlineData("eval")]
    [InlineData("eval", "--data", "/nowhere/manifest.csv")]
    [InlineData("eval", "--data", ".", "--degrade", "jpeg10")]
    [InlineData("up", "--distributed", "--rescuebox")]
    [InlineData("up", "--port", "99999")]
    [InlineData("up", "--port", "zero")]
    [InlineData("up", "--models", "/nowhere/models")]
    [InlineData("scan", ".", "--models", "/nowhere/models")]
    [InlineData("submit", "/nowhere/at/all.jpg")]
    [InlineData("submit", ".")]
    [InlineData("keys")]
    [InlineData("keys", "create", "--scope", "everything")]
    [InlineData("keys", "create", "--expires-days", "0")]
    [InlineData("dance")]
    public async Task Bad_usage_is_exit_code_2(params string[] args) => (await CommandLine.RunAsync(args)).ShouldBe(2);

    [Theory]
    [InlineData("scan", "{0}", "--out", "/proc/results.csv")]
    [InlineData("up", "--port", "1", "--data", "/proc/data")]
    [InlineData("keys", "list", "--data", "/proc/data")]
    public async Task A_file_that_cannot_be_written_is_exit_code_1_and_one_line(params string[] args)
    {
        var run = await CommandRun.Of([.. args.Select(a => string.Format(CultureInfo.InvariantCulture, a, folder))]);
        run.Exit.ShouldBe(1);
        run.Errors.ShouldContain("/proc/");
        run.Errors.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task Keys_gives_a_tenant_a_new_webhook_secret()
    {
        var (out0, error0) = (Console.Out, Console.Error);
        using var output = new StringWriter();
        using var errors = new StringWriter();
        Console.SetOut(output);
        Console.SetError(errors);
        try
        {
            (await CommandLine.RunAsync(["keys", "webhook-secret", "--data", folder, "--tenant", "acme"])).ShouldBe(1);
            (await CommandLine.RunAsync(["keys", "create", "--data", folder, "--tenant", "acme"])).ShouldBe(0);
            (await CommandLine.RunAsync(["keys", "webhook-secret", "--data", folder, "--tenant", "acme"])).ShouldBe(0);
        }
        finally
        {
            Console.SetOut(out0);
            Console.SetError(error0);
        }

        errors.ToString().ShouldContain("There is no tenant 'acme'");
        string secret = output.ToString().Trim().Split('\n')[^1];
        Palimpsest.Hosting.WebhookSignature.IsSecret(secret).ShouldBeTrue();
        errors.ToString().ShouldNotContain(secret);
    }

    [Fact]
    public async Task Help_names_the_command_as_it_is_typed()
    {
        var run = await CommandRun.Of("keys", "create", "--help");
        run.Exit.ShouldBe(0);
        run.Output.ShouldContain("./palimpsest keys create [options]");
    }

    [Fact]
    public async Task A_name_that_begins_with_an_at_sign_is_a_name_and_not_a_file_of_arguments()
    {
        string received = Path.Combine(folder, "arguments.jpg");
        await File.WriteAllTextAsync(received, "--help");
        var run = await CommandRun.Of("scan", "@" + received);
        run.Exit.ShouldBe(2);
        run.Errors.ShouldContain($"@{received} does not exist.");
    }

    [Fact]
    public async Task A_scan_gives_every_picture_a_row_and_broken_ones_a_reason()
    {
        byte[] whole = TestPictures.Jpeg(192, 128);
        await WriteAsync("a.jpg", whole);
        await WriteAsync("b.png", TestPictures.Encode(TestPictures.Pixels(160, 120, seed: 4), 160, 120, "pngsave_buffer"));
        await WriteAsync("cut.jpg", whole[..(whole.Length / 2)]);
        await WriteAsync("text.jpg", "not a picture"u8.ToArray());
        await WriteAsync("notes.txt", "not looked at"u8.ToArray());
        await WriteAsync("phone.HEIC", [0, 0, 0, 24, .. "ftypheic"u8, 0, 0, 0, 0, .. "mif1heic"u8]);
        await WriteAsync("scan.bmp", [.. "BM"u8, .. new byte[60]]);
        string csv = Path.Combine(folder, "out", "results.csv"), masks = Path.Combine(folder, "masks");

        int exit = await CommandLine.RunAsync(["scan", folder, "--out", csv, "--masks", masks, "--json", Path.Combine(folder, "r.json")]);

        exit.ShouldBe(3);
        using var reader = new CsvReader(new StreamReader(csv), CultureInfo.InvariantCulture);
        var rows = reader.GetRecords<Row>().ToDictionary(r => Path.GetFileName(r.image_path), StringComparer.Ordinal);
        reader.HeaderRecord.ShouldBe(["image_path", "prediction", "confidence", "score", "kind", "model", "error"]);
        rows.Keys.Order(StringComparer.Ordinal).ShouldBe(["a.jpg", "b.png", "cut.jpg", "phone.HEIC", "scan.bmp", "text.jpg"]);
        foreach (string good in (string[])["a.jpg", "b.png"])
        {
            var row = rows[good];
            row.error.ShouldBeEmpty();
            row.model.ShouldNotBeEmpty();
            double score = double.Parse(row.score, CultureInfo.InvariantCulture), confidence = double.Parse(row.confidence, CultureInfo.InvariantCulture);
            double stated = row.prediction switch
            {
                "likely fake" => score,
                "likely real" => 1 - score,
                "uncertain" => Math.Max(score, 1 - score),
                var other => throw new InvalidOperationException(other),
            };
            confidence.ShouldBe(stated, 1e-3);
        }

        rows["cut.jpg"].prediction.ShouldBe("error");
        rows["cut.jpg"].error.ShouldStartWith("image_truncated");
        rows["cut.jpg"].score.ShouldBeEmpty();
        foreach (string other in (string[])["text.jpg", "phone.HEIC", "scan.bmp"])
        {
            rows[other].error.ShouldStartWith("unsupported_format");
        }

        Directory.GetFiles(masks).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["a.png", "b.png"]);
        using var mask = Palimpsest.Local.Evaluation.Pictures.Decode(Path.Combine(masks, "a.png"));
        (mask.Width, mask.Height).ShouldBe((192, 128));
    }

    [Fact]
    public async Task A_scan_without_failures_is_exit_code_0()
    {
        await WriteAsync("a.jpg", TestPictures.Jpeg(96, 64));
        (await CommandLine.RunAsync(["scan", Path.Combine(folder, "a.jpg"), "--out", Path.Combine(folder, "r.csv"), "--detectors", "shallowfake"])).ShouldBe(0);
    }

    [Fact]
    public async Task An_evaluation_writes_its_three_files()
    {
        foreach (string name in (string[])["authentic", "forged", "masks"])
        {
            Directory.CreateDirectory(Path.Combine(folder, "set", name));
        }

        byte[] white = [.. Enumerable.Repeat((byte)255, 96 * 64)];
        for (int i = 0; i < 3; i++)
        {
            await WriteAsync($"set/authentic/a{i}.jpg", TestPictures.Encode(TestPictures.Pixels(96, 64, seed: i), 96, 64, "jpegsave_buffer"));
            await WriteAsync($"set/forged/f{i}.jpg", TestPictures.Encode(TestPictures.Pixels(96, 64, seed: 10 + i), 96, 64, "jpegsave_buffer"));
            await WriteAsync($"set/masks/f{i}.png", TestPictures.Encode(white, 96, 64, "pngsave_buffer"));
        }

        await WriteAsync("set/forged/broken.jpg", "no"u8.ToArray());
        string output = Path.Combine(folder, "eval");
        (await CommandLine.RunAsync(["eval", "--data", Path.Combine(folder, "set"), "--out", output, "--degrade", "jpeg70"])).ShouldBe(3);

        var all = System.Text.Json.JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(output, "metrics.json"))).RootElement;
        all.GetProperty("degrade").GetString().ShouldBe("jpeg70");
        var counts = all.GetProperty("all").GetProperty("counts");
        counts.GetProperty("authentic").GetInt32().ShouldBe(3);
        counts.GetProperty("forged_with_mask").GetInt32().ShouldBe(3);
        all.GetProperty("all").GetProperty("verdicts").GetProperty("error").GetInt32().ShouldBe(1);
        double rate = all.GetProperty("all").GetProperty("images_per_second").GetDouble();
        all.GetProperty("datasets").GetProperty("set").GetProperty("images_per_second").GetDouble().ShouldBe(rate, rate * 1e-9);
        (await File.ReadAllLinesAsync(Path.Combine(output, "per-image.csv"))).Length.ShouldBe(8);
        (await File.ReadAllTextAsync(Path.Combine(output, "report.html"))).ShouldContain("Not analysed: 1");
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private Task WriteAsync(string name, byte[] bytes) => File.WriteAllBytesAsync(Path.Combine(folder, name), bytes);

#pragma warning disable SA1300, IDE1006 // the columns' own names
    private sealed record Row(string image_path, string prediction, string confidence, string score, string kind, string model, string error);
#pragma warning restore SA1300, IDE1006
}
