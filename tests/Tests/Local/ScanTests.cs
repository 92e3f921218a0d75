using System.Globalization;
using System.Text.Json;
using CsvHelper;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Direct;
using Palimpsest.Local.Servers;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Local;

[Collection(CommandRun.Console)]
public sealed class ScanTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-scan-").FullName;

    [Theory]
    [InlineData("scan", "pics", "--masks", "pics")]
    [InlineData("scan", "pics", "--masks", "link")]
    [InlineData("scan", "link", "--masks", "pics")]
    [InlineData("scan", "pics", "--out", "pics/a.png")]
    [InlineData("scan", "pics", "--json", "pics/./a.png")]
    [InlineData("scan", "pics", "--json", "alias.png")]
    [InlineData("evidence", "pics", "--json", "pics/a.png")]
    [InlineData("evidence", "pics/a.jpg", "pics/a-ela.png", "--maps", "link")]
    public async Task No_output_replaces_a_picture_that_was_given(params string[] args)
    {
        byte[] png = TestPictures.Encode(TestPictures.Pixels(96, 64), 96, 64, "pngsave_buffer");
        await WriteAsync("pics/a.jpg", TestPictures.Jpeg());
        await WriteAsync("pics/a.png", png);
        await WriteAsync("pics/a-ela.png", png);
        Directory.CreateSymbolicLink(At("link"), At("pics"));
        File.CreateSymbolicLink(At("alias.png"), At("pics/a.png"));
        var run = await CommandRun.Of([args[0], .. args[1..].Select(a => a.StartsWith('-') ? a : At(a)), .. args[0] == "scan" && !args.Contains("--out") ? (string[])["--out", At("r.csv")] : []]);
        run.Exit.ShouldBe(2, run.Errors);
        run.Errors.ShouldContain(".png");
        run.Errors.ShouldContain(args[^2]);
        File.ReadAllBytes(At("pics/a.png")).ShouldBe(png);
        File.ReadAllBytes(At("pics/a-ela.png")).ShouldBe(png);
        File.Exists(At("r.csv")).ShouldBeFalse();
    }

    /// <summary>The engine by itself reports to its maker, except in a CI; where it does it leaves a log and a session file in the temporary folder.</summary>
    [Fact]
    public async Task The_engine_reports_to_nobody()
    {
        await WriteAsync("pics/a.jpg", TestPictures.Jpeg());
        string temporary = Directory.CreateDirectory(At("tmp")).FullName;
        var environment = new Dictionary<string, string?> { ["TMPDIR"] = temporary, ["CI"] = null, ["TF_BUILD"] = null, ["GITHUB_ACTIONS"] = null, ["ORT_RUNNING_UNIT_TESTS"] = null };
        await using var scan = ChildProcess.Start("scan", ["dotnet", typeof(CommandLine).Assembly.Location, "scan", At("pics"), "--out", At("r.csv")], environment, At("log"));
        await scan.WaitForExitAsync(default);
        scan.ExitCode.ShouldBe(0, await File.ReadAllTextAsync(At("log")));
        Directory.EnumerateFiles(temporary).Select(Path.GetFileName).Where(n => n!.StartsWith("mat-debug", StringComparison.Ordinal) || n.EndsWith(".ses", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData(ChildProcess.Interrupt)]
    [InlineData(ChildProcess.Terminate)]
    public async Task An_interrupted_scan_keeps_what_was_finished(int signal)
    {
        const int Pictures = 200;
        byte[] jpeg = TestPictures.Jpeg(384, 256);
        for (int i = 0; i < Pictures; i++)
        {
            await WriteAsync($"pics/{i:000}.jpg", jpeg);
        }

        string csv = At("r.csv"), log = At("log"), temporary = Directory.CreateDirectory(At("tmp")).FullName;
        await using var scan = ChildProcess.Start(
            // What starts the tests may have us ignore signals, and that is inherited.
            "scan", ["env", "--default-signal=INT", "dotnet", typeof(CommandLine).Assembly.Location, "scan", At("pics"), "--out", csv, "--json", At("r.json"), "--masks", At("masks"), "--parallel", "2"],
            new Dictionary<string, string?> { ["TMPDIR"] = temporary }, log);
        for (int i = 0; i < 1200 && !scan.HasExited && (!File.Exists(csv) || (await File.ReadAllLinesAsync(csv)).Length < 4); i++)
        {
            await Task.Delay(50);
        }

        scan.HasExited.ShouldBeFalse("it should have written rows long before its end");
        await scan.StopAsync(TimeSpan.FromSeconds(60), signal);

        scan.ExitCode.ShouldBe(130);
        var rows = Read(csv);
        rows.Count.ShouldBeInRange(3, Pictures - 1);
        rows.ShouldAllBe(r => r.error.Length == 0);
        rows.Select(r => r.image_path).ShouldBe(rows.Select(r => r.image_path).Order(StringComparer.Ordinal));
        (await File.ReadAllTextAsync(log)).ShouldContain($"{rows.Count} of {Pictures} pictures");
        JsonDocument.Parse(await File.ReadAllBytesAsync(At("r.json"))).RootElement.GetArrayLength().ShouldBe(rows.Count);
        Directory.GetFileSystemEntries(temporary, "palimpsest-*").ShouldBeEmpty();
    }

    [Fact]
    public async Task An_interrupted_evaluation_leaves_no_pixels_behind()
    {
        byte[] jpeg = TestPictures.Jpeg(384, 256);
        for (int i = 0; i < 100; i++)
        {
            await WriteAsync($"set/authentic/{i:000}.jpg", jpeg);
        }

        string temporary = Directory.CreateDirectory(At("tmp")).FullName, log = At("log");
        await using var eval = ChildProcess.Start(
            "eval", ["dotnet", typeof(CommandLine).Assembly.Location, "eval", "--data", At("set"), "--out", At("eval"), "--degrade", "jpeg70"], new Dictionary<string, string?> { ["TMPDIR"] = temporary }, log);
        for (int i = 0; i < 1200 && !eval.HasExited && !Directory.GetDirectories(temporary, "palimpsest-*").SelectMany(Directory.EnumerateFileSystemEntries).Any(); i++)
        {
            await Task.Delay(50);
        }

        eval.HasExited.ShouldBeFalse();
        await eval.StopAsync(TimeSpan.FromSeconds(60));
        eval.ExitCode.ShouldBe(130);
        Directory.GetFileSystemEntries(temporary, "palimpsest-*").ShouldBeEmpty();
        (await File.ReadAllTextAsync(log)).ShouldNotContain("   at ");
    }

    [Fact]
    public async Task A_mask_that_cannot_be_written_costs_the_others_nothing()
    {
        await WriteAsync("pics/a.jpg", TestPictures.Jpeg());
        await WriteAsync("pics/b.jpg", TestPictures.Jpeg(128, 96));
        Directory.CreateDirectory(At("masks/a.png"));
        var run = await CommandRun.Of("scan", At("pics"), "--out", At("r.csv"), "--masks", At("masks"), "--detectors", "shallowfake");
        run.Exit.ShouldBe(3);
        run.Errors.ShouldBeEmpty();
        var rows = Read(At("r.csv"));
        rows.Select(r => Path.GetFileName(r.image_path)).ShouldBe(["a.jpg", "b.jpg"]);
        rows[0].error.ShouldContain("mask");
        rows[0].error.ShouldContain("a.png");
        rows[0].score.ShouldNotBeEmpty();
        rows[1].error.ShouldBeEmpty();
        File.Exists(At("masks/b.png")).ShouldBeTrue();
    }

    [Fact]
    public async Task A_result_that_cannot_be_written_is_said_before_the_first_picture()
    {
        await WriteAsync("pics/a.jpg", TestPictures.Jpeg());
        var run = await CommandRun.Of("scan", At("pics"), "--out", At("r.csv"), "--json", "/proc/r.json");
        run.Exit.ShouldBe(1);
        run.Errors.ShouldContain("/proc/r.json");
        (await File.ReadAllTextAsync(At("r.csv"))).ShouldBeEmpty();
    }

    [Fact]
    public async Task No_name_in_the_csv_is_a_formula()
    {
        ScanOutput.WriteCsv(At("r.csv"), [new DirectResult { Path = "=1+1.jpg", ErrorCode = "image_corrupt", Error = "-" }, new DirectResult { Path = "a=b, c.jpg", ErrorCode = "image_corrupt", Error = "x" }]);
        (await File.ReadAllLinesAsync(At("r.csv")))[1..].ShouldBe(["./=1+1.jpg,error,,,,,image_corrupt: -", "\"a=b, c.jpg\",error,,,,,image_corrupt: x"]);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static List<Row> Read(string csv)
    {
        using var reader = new CsvReader(new StreamReader(csv), CultureInfo.InvariantCulture);
        return [.. reader.GetRecords<Row>()];
    }

    private string At(string name) => Path.Combine(folder, name);

    private Task WriteAsync(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        return File.WriteAllBytesAsync(At(name), bytes);
    }

#pragma warning disable SA1300, IDE1006 // the columns' own names
    private sealed record Row(string image_path, string prediction, string confidence, string score, string kind, string model, string error);
#pragma warning restore SA1300, IDE1006
}
