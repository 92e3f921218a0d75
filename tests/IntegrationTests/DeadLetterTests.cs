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
/// A message whose consumer dies each time: after six deliveries the broker moves it to the dead-letter queue, and reporting sends the step again, later each time, four times in all;
/// then it ends. Real broker; the dying consumer is played by handing the message back undone.
/// </summary>
public sealed class DeadLetterTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-dl-").FullName;
    private RabbitMqServer? server;
    private Uri broker = null!;
    private WebApplication app = null!;
    private IConnection? connection;

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
            ["PALIMPSEST_INTERNAL_KEY"] = new string('k', 32), ["urls"] = "http://127.0.0.1:0", ["Reporting:FaultRetrySeconds"] = "0.1",
        });
        platform.AddReporting();
        app = platform.Build();
        app.MapReporting();
        await app.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (connection is not null)
        {
            await connection.DisposeAsync();
        }

        await app.StopAsync();
        await app.DisposeAsync();
        if (server is not null)
        {
            await server.DisposeAsync();
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_message_whose_consumer_is_killed_again_and_again_is_sent_again_and_ends_well()
    {
        var (store, channel) = await QueuedAsync("an_unlucky");
        for (int deaths = 0; deaths < PlatformEndpoint.DeliveryLimit + 3; deaths++)
        {
            var message = await NextAsync(channel);
            await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: true);
        }

        // One that lives says what it found.
        await channel.BasicAckAsync((await NextAsync(channel)).DeliveryTag, multiple: false);
        await app.Services.GetRequiredService<IBus>().Publish(new ImageRejected { AnalysisId = "an_unlucky", Code = ErrorCodes.ImageTruncated, Detail = "It is cut off." });
        var ended = await EndedAsync(store, "an_unlucky");
        ended.Findings.Error!.Code.ShouldBe(ErrorCodes.ImageTruncated, "the picture's own end, not its consumer's");
        ended.StageAttempts.ShouldBe(1);
        await ClearAsync(channel);
    }

    [Fact]
    public async Task A_message_that_kills_its_consumer_whenever_it_comes_ends_its_step_as_crashed()
    {
        var (store, channel) = await QueuedAsync("an_dead");
        int deliveries = 0;
        var deadline = DateTimeOffset.UtcNow + Patience;
        while (!AnalysisStatuses.IsTerminal((await store.LoadAsync("an_dead", default))!.Status))
        {
            (DateTimeOffset.UtcNow < deadline).ShouldBeTrue($"still not ended after {deliveries} deliveries");
            if (await channel.BasicGetAsync(Queues.Preprocess, autoAck: false) is { } message)
            {
                deliveries++;
                await channel.BasicNackAsync(message.DeliveryTag, multiple: false, requeue: true);
            }

            await Task.Delay(50);
        }

        var ended = (await store.LoadAsync("an_dead", default))!;
        ended.Status.ShouldBe(AnalysisStatuses.Failed);
        ended.Findings.Error!.Code.ShouldBe(ErrorCodes.ProcessingCrashed);
        int sent = new ReportingOptions().MaxResends + 1;
        deliveries.ShouldBe((PlatformEndpoint.DeliveryLimit + 1) * sent, "each time one delivery and five more");
        await ClearAsync(channel);
    }

    /// <summary>An analysis whose command waits in preprocessing's queue, which nobody consumes.</summary>
    private async Task<(IAnalysisStore Store, IChannel Channel)> QueuedAsync(string id)
    {
        var bus = app.Services.GetRequiredService<IBus>();
        var endpoint = bus.ConnectReceiveEndpoint(Queues.Preprocess, e => e.UsePlatformDefaults(prefetch: 1, command: true));
        await endpoint.Ready;
        // The queue is durable and stays.
        await endpoint.StopAsync();

        var store = app.Services.GetRequiredService<IAnalysisStore>();
        var now = DateTimeOffset.UtcNow;
        var upload = new BlobReference { Key = id + "/upload", Bytes = 1 };
        var record = new AnalysisRecord
        {
            Id = id, Tenant = "acme", StageSince = now, StageDue = now.AddHours(1), CreatedAt = now, ExpiresAt = now.AddDays(1),
            Request = new AnalysisRequest { Upload = upload, Sha256 = new string('0', 64), Format = "png", Options = new AnalysisOptions() },
        };
        await store.InsertAsync([record], [], null, default);
        await (await bus.GetSendEndpoint(Queues.Address(Queues.Preprocess))).Send(new PreprocessImage { AnalysisId = id, Upload = upload, Options = new AnalysisOptions() });
        connection = await new ConnectionFactory { Uri = broker }.CreateConnectionAsync();
        return (store, await connection.CreateChannelAsync());
    }

    private static async Task<BasicGetResult> NextAsync(IChannel channel)
    {
        for (var deadline = DateTimeOffset.UtcNow + Patience; ; await Task.Delay(50))
        {
            if (await channel.BasicGetAsync(Queues.Preprocess, autoAck: false) is { } message)
            {
                return message;
            }

            (DateTimeOffset.UtcNow < deadline).ShouldBeTrue("the message did not come again");
        }
    }

    private static async Task<AnalysisRecord> EndedAsync(IAnalysisStore store, string id)
    {
        for (var deadline = DateTimeOffset.UtcNow + Patience; ; await Task.Delay(50))
        {
            var record = (await store.LoadAsync(id, default))!;
            if (AnalysisStatuses.IsTerminal(record.Status))
            {
                return record;
            }

            (DateTimeOffset.UtcNow < deadline).ShouldBeTrue($"it is still {record.Status}");
        }
    }

    private static async Task ClearAsync(IChannel channel)
    {
        (await channel.MessageCountAsync(Queues.DeadLetter)).ShouldBe(0u);
        await channel.QueuePurgeAsync(Queues.Preprocess);
    }
}
