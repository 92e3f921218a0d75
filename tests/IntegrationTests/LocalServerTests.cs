using Palimpsest.Local.Servers;

namespace Palimpsest.IntegrationTests;

/// <summary>What the servers of <c>up --distributed</c> keep from one start to the next.</summary>
public sealed class LocalServerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-servers-").FullName;

    [SkippableFact]
    public async Task A_broker_finds_its_data_again_keeps_a_second_away_and_leaves_another_folders_alone()
    {
        Skip.IfNot(RabbitMqServer.IsInstalled, "It needs RabbitMQ's package.");
        // As earlier versions named it, by its port.
        Directory.CreateDirectory(Path.Combine(folder, "a", "mnesia", "palimpsest34567@localhost"));
        await using (var first = new RabbitMqServer(Path.Combine(folder, "a")))
        {
            await first.StartAsync(default);
            await first.ControlAsync("add_user", "kept", "secret");
            await using var second = new RabbitMqServer(Path.Combine(folder, "a"));
            (await Should.ThrowAsync<LocalServerException>(() => second.StartAsync(default))).Message.ShouldContain("already");
            await using var other = new RabbitMqServer(Path.Combine(folder, "b"));
            await other.StartAsync(default);
            (await other.ControlAsync("list_users")).ShouldNotContain("kept");
            // A crash is no reason to be refused.
            await first.KillAsync();
            await first.StartAsync(default);
        }

        await using var again = new RabbitMqServer(Path.Combine(folder, "a"));
        await again.StartAsync(default);
        (await again.ControlAsync("list_users")).ShouldContain("kept");
    }

    [Fact]
    public async Task Closing_the_terminal_stops_the_platform_in_order()
    {
        await using var embedded = await EmbeddedProcess.StartAsync();
        (await embedded.HangUpAsync()).ShouldBe(0);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
