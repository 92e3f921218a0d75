using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Evaluation;
using Palimpsest.Local.Servers;
using Palimpsest.Tests.Imaging;

namespace Palimpsest.Tests.Local;

[Collection(CommandRun.Console)]
public sealed class EvidenceCommandTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-evidence-").FullName;

    [Fact]
    public async Task A_map_lies_on_the_picture_as_it_is_shown()
    {
        const int Width = 150, Height = 98;
        byte[] jpeg = TestPictures.Jpeg(Width, Height, 80);
        await WriteAsync("upright.jpg", jpeg);
        await WriteAsync("phone.jpg", TestPictures.WithExif(jpeg, orientation: 6));
        var run = await CommandRun.Of("evidence", folder, "--kind", "ela", "--maps", At("maps"));
        run.Exit.ShouldBe(0, run.Errors);
        using var upright = Pictures.Decode(At("maps/upright-ela.png"));
        using var phone = Pictures.Decode(At("maps/phone-ela.png"));
        (upright.Width, upright.Height).ShouldBe((Width, Height));
        (phone.Width, phone.Height).ShouldBe((Height, Width));
        int different = 0;
        for (int y = 0; y < Height; y++)
        {
            for (int x = 0; x < Width; x++)
            {
                // Orientation 6: a quarter turn clockwise.
                int turned = phone.Row(x)[(Height - 1 - y) * phone.Bands];
                different += Math.Abs(upright.Row(y)[x * upright.Bands] - turned) > 4 ? 1 : 0;
            }
        }

        different.ShouldBe(0);
    }

    [Fact]
    public async Task Pictures_of_the_same_name_have_maps_of_their_own()
    {
        await WriteAsync("one/a.jpg", TestPictures.Jpeg(96, 64));
        await WriteAsync("two/a.jpg", TestPictures.Jpeg(64, 96));
        (await CommandRun.Of("evidence", At("one/a.jpg"), At("two/a.jpg"), "--kind", "ela", "--maps", At("maps"))).Exit.ShouldBe(0);
        Directory.GetFiles(At("maps")).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["a-2-ela.png", "a-ela.png"]);
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_costs_the_others_nothing()
    {
        await WriteAsync("pics/b.jpg", TestPictures.Jpeg());
        File.CreateSymbolicLink(At("pics/a.jpg"), At("gone.jpg"));
        string temporary = Directory.CreateDirectory(At("tmp")).FullName, log = At("log");
        await using var evidence = ChildProcess.Start(
            "evidence", ["dotnet", typeof(CommandLine).Assembly.Location, "evidence", At("pics"), "--kind", "ela", "metadata", "--maps", At("maps"), "--json", At("lines.json")],
            new Dictionary<string, string?> { ["TMPDIR"] = temporary }, log);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await evidence.WaitForExitAsync(limit.Token);
        await evidence.DrainAsync();
        evidence.ExitCode.ShouldBe(3, await File.ReadAllTextAsync(log));
        var lines = (await File.ReadAllLinesAsync(At("lines.json"))).Select(l => JsonDocument.Parse(l).RootElement).ToList();
        lines.Select(l => (Path.GetFileName(l.GetProperty("file").GetString()), l.GetProperty("state").GetString()))
            .ShouldBe([("a.jpg", EvidenceStates.Error), ("b.jpg", EvidenceStates.Completed), ("b.jpg", EvidenceStates.Completed)]);
        lines[0].GetProperty("summary").GetString()!.ShouldContain("a.jpg");
        Directory.GetFiles(At("maps")).Select(Path.GetFileName).ShouldBe(["b-ela.png"]);
        Directory.GetFileSystemEntries(temporary).Select(Path.GetFileName).Where(n => !n!.StartsWith("dotnet", StringComparison.Ordinal) && !n.StartsWith("clr", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    [Fact]
    public async Task A_map_that_cannot_be_written_is_an_error_of_its_line()
    {
        await WriteAsync("a.jpg", TestPictures.Jpeg());
        Directory.CreateDirectory(At("maps/a-ela.png"));
        var run = await CommandRun.Of("evidence", At("a.jpg"), "--kind", "ela", "noise", "--maps", At("maps"));
        run.Exit.ShouldBe(3);
        run.Output.ShouldContain("a-ela.png");
        File.Exists(At("maps/a-noise.png")).ShouldBeTrue();
    }

    [Fact]
    public async Task The_perceptual_hash_is_printed()
    {
        await WriteAsync("a.jpg", TestPictures.Jpeg());
        var run = await CommandRun.Of("evidence", At("a.jpg"), "--kind", "hash");
        run.Exit.ShouldBe(0);
        JsonDocument.Parse(run.Output).RootElement.GetProperty("hash").GetString()!.ShouldMatch("^[0-9a-f]{16}$");
    }

    [Fact]
    public async Task Help_lists_the_kinds()
    {
        string help = string.Join(' ', (await CommandRun.Of("evidence", "--help")).Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        foreach (string kind in EvidenceNames.All)
        {
            help.ShouldContain(kind);
        }
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string At(string name) => Path.Combine(folder, name);

    private Task WriteAsync(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(name))!);
        return File.WriteAllBytesAsync(At(name), bytes);
    }
}
