using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Commands;
using RabbitMQ.Client;

namespace Palimpsest.IntegrationTests;

/// <summary><c>palimpsest queues</c> on a real broker: what failed is explained, stays, and can be put back to work.</summary>
[Collection(PlatformCollection.Name)]
public sealed class QueuesCommandTests(TestPlatform platform) : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-queues-").FullName;
    private readonly string queue = "fails-" + Guid.NewGuid().ToString("n");
    private WebApplication app = null!;
    private IConnection connection = null!;
    private volatile bool mended;

    public async Task InitializeAsync()
    {
        string broker = platform.Host.Servers.Urls["RABBITMQ_URL"]!;
        var builder = PlatformBuilder.Create([], "test", new Dictionary<string, string?>
        {
            ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = folder, ["RABBITMQ_URL"] = broker, ["REDIS_URL"] = null, ["POSTGRES_URL"] = null, ["urls"] = "http://127.0.0.1:0",
        });
        app = builder.Build();
        await app.StartAsync();
        connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
    }

    public async Task DisposeAsync()
    {
        await using (var channel = await connection.CreateChannelAsync())
        {
            await channel.QueueDeleteAsync(queue);
            await channel.QueueDeleteAsync(queue + "_error");
        }

        await connection.DisposeAsync();
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_failed_is_explained_as_often_as_asked_and_replayed_once()
    {
        var done = new System.Collections.Concurrent.ConcurrentBag<string>();
        var bus = app.Services.GetRequiredService<IBus>();
        var endpoint = bus.ConnectReceiveEndpoint(queue, e =>
        {
            e.UsePlatformDefaults(prefetch: 2, command: true);
            e.Handler<PreprocessImage>(context =>
            {
                if (!mended)
                {
                    throw new InvalidOperationException("the part is missing");
                }

                done.Add(context.Message.AnalysisId);
                return Task.CompletedTask;
            });
        });
        await endpoint.Ready;
        var send = await bus.GetSendEndpoint(Queues.Address(queue));
        foreach (string id in (string[])["an_one", "an_two"])
        {
            await send.Send(new PreprocessImage { AnalysisId = id, Upload = new BlobReference { Key = id + "/upload", Bytes = 1 }, Options = new AnalysisOptions() });
        }

        await WaitForAsync(queue + "_error", 2);
        // More often than the broker delivers one message: looking must not use it up.
        for (int i = 0; i < PlatformEndpoint.DeliveryLimit + 2; i++)
        {
            var (exit, text) = await RunAsync("explain", queue + "_error");
            exit.ShouldBe(0);
            text.ShouldContain("PreprocessImage an_one");
            text.ShouldContain("System.InvalidOperationException: the part is missing");
            text.ShouldContain("from: " + queue);
        }

        (await RunAsync("explain", queue + "_error", "--database", platform.Host.Servers.Urls["POSTGRES_URL"]!)).Output.ShouldContain("there is no such analysis");
        await WaitForAsync(queue + "_error", 2);
        mended = true;
        (await RunAsync("replay", queue + "_error", "--id", "no-such-message")).Exit.ShouldBe(1);
        await WaitForAsync(queue + "_error", 2);
        var (replayed, said) = await RunAsync("replay", queue + "_error");
        replayed.ShouldBe(0);
        said.ShouldContain("2 replayed, 0 left.");

        await WaitForAsync(queue + "_error", 0);
        for (int i = 0; i < 100 && done.Count < 2; i++)
        {
            await Task.Delay(100);
        }

        done.Order().ShouldBe(["an_one", "an_two"]);
        (await TestPlatform.CounterAsync(new Uri(app.Urls.First()), "palimpsest_messages_failed_total")).ShouldBeGreaterThanOrEqualTo(2);
        (await TestPlatform.CounterAsync(new Uri(app.Urls.First()), "palimpsest_message_wait_seconds_count")).ShouldBeGreaterThanOrEqualTo(2);
        await endpoint.StopAsync();
    }

    [Fact]
    public async Task A_queue_that_is_not_there_is_said_to_be_so() => (await RunAsync("explain", "no-such-queue")).Exit.ShouldBe(1);

    private async Task<(int Exit, string Output)> RunAsync(params string[] args)
    {
        var (output, before) = (new StringWriter(), Console.Out);
        Console.SetOut(output);
        try
        {
            return (await CommandLine.RunAsync(["queues", .. args, "--url", platform.Host.Servers.Urls["RABBITMQ_URL"]!]), output.ToString());
        }
        finally
        {
            Console.SetOut(before);
        }
    }

    private async Task WaitForAsync(string name, uint count)
    {
        for (int i = 0; ; i++)
        {
            try
            {
                await using var channel = await connection.CreateChannelAsync();
                uint ready = await channel.MessageCountAsync(name);
                if (ready == count)
                {
                    return;
                }

                i.ShouldBeLessThan(100, $"{name} has {ready} messages, not {count}");
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException) when (i < 100)
            {
                // Not declared yet: nothing failed so far.
            }

            await Task.Delay(100);
        }
    }
}
