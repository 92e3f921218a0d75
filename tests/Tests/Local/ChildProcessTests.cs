using Palimpsest.Local.Servers;

namespace Palimpsest.Tests.Local;

public sealed class ChildProcessTests : IDisposable
{
    private static readonly Dictionary<string, string?> Nothing = [];

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-child-").FullName;

    [Fact]
    public async Task Output_is_kept_and_the_exit_code_told()
    {
        string log = Path.Combine(folder, "a.log");
        await using var child = ChildProcess.Start("sh", ["sh", "-c", "echo $GREETING; echo oops >&2; exit 7"], new Dictionary<string, string?> { ["GREETING"] = "hello" }, log);
        await child.WaitForExitAsync(CancellationToken.None);
        child.ExitCode.ShouldBe(7);
        await child.StopAsync(TimeSpan.FromSeconds(1));
        (await File.ReadAllLinesAsync(log)).Order(StringComparer.Ordinal).ShouldBe(["hello", "oops"]);
    }

    [Fact]
    public async Task Stopping_asks_first_and_kills_what_does_not_listen()
    {
        await using var polite = ChildProcess.Start("sh", ["sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done"], Nothing, Path.Combine(folder, "p.log"));
        await using var deaf = ChildProcess.Start("sh", ["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"], Nothing, Path.Combine(folder, "d.log"));
        await Task.Delay(300);
        await polite.StopAsync(TimeSpan.FromSeconds(10));
        polite.ExitCode.ShouldBe(5);
        await deaf.StopAsync(TimeSpan.FromMilliseconds(300));
        deaf.ExitCode.ShouldBe(137);
    }

    [Fact]
    public async Task A_full_disk_under_the_log_does_not_hold_the_process_up()
    {
        // More than a pipe holds.
        await using var child = ChildProcess.Start("sh", ["sh", "-c", "head -c 300000 /dev/zero | tr '\\0' 'x' | fold; exit 7"], Nothing, "/dev/full");
        await child.WaitForExitAsync(CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(20));
        child.ExitCode.ShouldBe(7);
    }

    [Fact]
    public async Task A_server_that_dies_while_starting_is_reported_with_its_last_words()
    {
        string log = Path.Combine(folder, "s.log");
        await using var child = ChildProcess.Start("sh", ["sh", "-c", "echo no disk; exit 1"], Nothing, log);
        var thrown = await Should.ThrowAsync<LocalServerException>(() => ServerPrograms.WaitAsync(child, log, () => Task.FromResult(false), CancellationToken.None));
        thrown.Message.ShouldContain("no disk");
    }

    [Fact]
    public void What_is_not_installed_is_named_with_its_package() =>
        Should.Throw<LocalServerException>(() => ServerPrograms.Find("some-package", "SOME_URL", "/nowhere/program")).Message.ShouldBe("program is not installed: run 'apt-get install some-package' or set SOME_URL.");

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
