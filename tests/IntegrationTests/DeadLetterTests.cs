using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Servers;
using Palimpsest.Reporting;
using RabbitMQ.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>
/// A message whose consumer dies each time: after five deliveries the broker moves it to the dead-letter queue, and reporting ends that step. Real broker; the dying consumer is
/// played by handing the message back undone.
/// </summary>
public sealed class DeadLetterTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-dl-").FullName;
    private RabbitMqServer? server;
    private Uri broker = null!;
    private WebApplication app = null!;

    public async Task InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("RABBITMQ_URL") is { Length: > 0 } given)
        {
            broker = new Uri(given);
        }
        else
        {
            server = new RabbitMqServer(Path.Combine(folder, "rabbitmq"));
            await server.StartAsync(CancellationToken.None);
            broker = server.Url;
        }

        var platform = PlatformBuilder.Create([], "reporting", new Dictionary<string, string?>
        {
            ["PALIMPSEST_DATA"] = Path.Combine(folder, "data"), ["PALIMPSEST_MODELS"] = folder, ["RABBITMQ_URL"] = broker.ToString(), ["REDIS_URL"] = null, ["POSTGRES_URL"] = null,
            ["PALIMPSEST_INTERNAL_KEY"] = new string('k', 32), ["urls"] = "http://127.0.0.1:0",
        });
        platform.AddReporting();
        app = platform.Build();
        app.MapReporting();
        await app.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_message_that_kills_its_consumer_five_times_ends_its_step_as_crashed()
    {
        string queue = "dies-" + Guid.NewGuid().ToString("n");
        var bus = app.Services.GetRequiredService<IBus>();
        var endpoint = bus.ConnectReceiveEndpoint(queue, e => e.UsePlatformDefaults(prefetch: 1, command: true));
        await endpoint.Ready;
        // The queue is durable and stays; nobody consumes it.
        await endpoint.StopAsync();

        var store = app.Services.GetRequiredService<IAnalysisStore>();
        var now = DateTimeOffset.UtcNow;
        var upload = new BlobReference { Key = "an_dead/upload", Bytes = 1 };
        var record = new AnalysisRecord
        {
            Id = "an_dead", Tenant = "acme", StageSince = now, StageDue = now.AddHours(1), CreatedAt = now, ExpiresAt = now.AddDays(1),
            Request = new AnalysisRequest { Upload = upload, Sha256 = new string('0', 64), Format = "png", Options = new AnalysisOptions() },
        };
        await store.InsertAsync([record], [], null, default);
        await (await bus.GetSendEndpoint(Queues.Address(queue))).Send(new PreprocessImage { AnalysisId = "an_dead", Upload = upload, Options = new AnalysisOptions() });

        await using var connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync();
        int deliveries = 0;
        var deadline = DateTimeOffset.UtcNow + Patience;
        while (!AnalysisStatuses.IsTerminal((await store.LoadAsync("an_dead", default))!.Status))
        {
            (DateTimeOffset.UtcNow < deadline).ShouldBeTrue($"still not ended after {deliveries} deliveries");
            if (await channel.BasicGetAsync(queue, autoAck: false) is { } message)
            {
                deliveries++;
                await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: true);
            }

            await Task.Delay(50);
        }

        var ended = (await store.LoadAsync("an_dead", default))!;
        ended.Status.ShouldBe(AnalysisStatuses.Failed);
        ended.Findings.Error!.Code.ShouldBe(ErrorCodes.ProcessingCrashed);
        deliveries.ShouldBe(PlatformEndpoint.DeliveryLimit + 1, "one delivery and five more");
        (await channel.MessageCountAsync(Queues.DeadLetter)).ShouldBe(0u);
        await channel.QueueDeleteAsync(queue);
    }
}
