using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using MassTransit;
using MassTransit.Serialization;
using Palimpsest.Contracts;
using RabbitMQ.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>Old and new side by side during an upgrade: the golden file of every message, as it is and with what a later version may add, through a real queue into a real consumer.</summary>
[Collection(PlatformCollection.Name)]
public sealed class MessageVersionTests(TestPlatform platform)
{
    [Fact]
    public async Task Every_golden_message_of_either_version_arrives_as_it_was_meant()
    {
        string broker = platform.Host.Servers.Urls["RABBITMQ_URL"]!, queue = "versions-" + Guid.NewGuid().ToString("n");
        var arrived = new ConcurrentDictionary<Guid, object>();
        var bus = Bus.Factory.CreateUsingRabbitMq(rabbit =>
        {
            rabbit.Host(new Uri(broker));
            rabbit.ReceiveEndpoint(queue, e =>
            {
                e.ConfigureConsumeTopology = false;
                e.Instance(new Everything(arrived));
            });
        });
        await bus.StartAsync();
        try
        {
            var expected = new Dictionary<Guid, (Type Type, string Golden)>();
            await using var connection = await new ConnectionFactory { Uri = new Uri(broker) }.CreateConnectionAsync();
            await using var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
            foreach (string file in Directory.GetFiles(Golden(), "*.json"))
            {
                string name = string.Concat(Path.GetFileNameWithoutExtension(file).Split('-').Select(w => char.ToUpperInvariant(w[0]) + w[1..])), golden = await File.ReadAllTextAsync(file);
                var type = typeof(PreprocessImage).Assembly.GetType("Palimpsest.Contracts." + name, throwOnError: true)!;
                foreach (bool newer in (bool[])[false, true])
                {
                    var (id, message) = (Guid.NewGuid(), JsonNode.Parse(golden)!.AsObject());
                    if (newer)
                    {
                        message["addedLater"] = new JsonObject { ["unit"] = "s", ["values"] = new JsonArray(1, 2) };
                    }

                    var envelope = new JsonObject { ["messageId"] = id.ToString(), ["messageType"] = new JsonArray($"urn:message:Palimpsest.Contracts:{name}"), ["message"] = message, ["headers"] = new JsonObject(), ["addedLater"] = 1 };
                    await channel.BasicPublishAsync("", queue, mandatory: true, new BasicProperties { ContentType = "application/vnd.masstransit+json", Persistent = true }, JsonSerializer.SerializeToUtf8Bytes(envelope));
                    expected[id] = (type, golden);
                }
            }

            expected.Count.ShouldBe(16);
            for (int i = 0; i < 150 && arrived.Count < expected.Count; i++)
            {
                await Task.Delay(100);
            }

            foreach (var (id, (type, golden)) in expected)
            {
                arrived.ShouldContainKey(id, type.Name);
                arrived[id].ShouldBeOfType(type);
                JsonNode.DeepEquals(JsonSerializer.SerializeToNode(arrived[id], type, SystemTextJsonMessageSerializer.Options), JsonNode.Parse(golden)).ShouldBeTrue(type.Name);
            }

            await channel.QueueDeleteAsync(queue);
        }
        finally
        {
            await bus.StopAsync();
        }
    }

    private static string Golden([CallerFilePath] string path = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(path)!, "..", "Tests", "Contracts", "Golden"));

    private sealed class Everything(ConcurrentDictionary<Guid, object> arrived) :
        IConsumer<PreprocessImage>, IConsumer<ImagePreprocessed>, IConsumer<ImageRejected>, IConsumer<AnalysisRouted>, IConsumer<LocalizeManipulation>, IConsumer<ManipulationLocalized>,
        IConsumer<AnalysisCompleted>, IConsumer<AnalysisFailed>
    {
        public Task Consume(ConsumeContext<PreprocessImage> context) => Keep(context);

        public Task Consume(ConsumeContext<ImagePreprocessed> context) => Keep(context);

        public Task Consume(ConsumeContext<ImageRejected> context) => Keep(context);

        public Task Consume(ConsumeContext<AnalysisRouted> context) => Keep(context);

        public Task Consume(ConsumeContext<LocalizeManipulation> context) => Keep(context);

        public Task Consume(ConsumeContext<ManipulationLocalized> context) => Keep(context);

        public Task Consume(ConsumeContext<AnalysisCompleted> context) => Keep(context);

        public Task Consume(ConsumeContext<AnalysisFailed> context) => Keep(context);

        private Task Keep<T>(ConsumeContext<T> context)
            where T : class
        {
            arrived[context.MessageId!.Value] = context.Message;
            return Task.CompletedTask;
        }
    }
}
