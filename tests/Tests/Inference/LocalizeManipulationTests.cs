using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Inference;
using Palimpsest.Shallowfake;

namespace Palimpsest.Tests.Inference;

/// <summary>A localizer's consumer on an in-memory bus, with the real blob store and a real (toy) network.</summary>
public sealed class LocalizeManipulationTests : IAsyncLifetime
{
    private readonly string data = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly ModelFolder models = new();
    private ServiceProvider? services;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (services is not null)
        {
            await services.DisposeAsync();
        }

        models.Dispose();
        Directory.Delete(data, recursive: true);
    }

    [Fact]
    public async Task A_command_is_answered_with_score_model_and_map_twice_the_same()
    {
        models.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());
        var harness = await StartAsync();
        var blobs = services!.GetRequiredService<IBlobStore>();
        await blobs.PutFileAsync("an_1/prepared", TestPicture.Write(120, 80, TestPicture.RedAt(0, 0, 60, 80)), default);

        await SendAsync(harness, "an_1");
        var first = await AnswerAsync(harness, 1);
        byte[] map = await ReadAsync(blobs, "an_1/map-shallowfake");
        await SendAsync(harness, "an_1");
        var second = await AnswerAsync(harness, 2);

        first.State.ShouldBe(DetectorStates.Completed);
        first.Score.ShouldNotBeNull().ShouldBeGreaterThan(0.99);
        first.Model.ShouldBe(second.Model);
        first.Model!.Name.ShouldBe("toy");
        first.Provider.ShouldBe("cpu");
        first.Threshold.ShouldBe(0.5);
        first.DurationMs.ShouldBeGreaterThan(0);
        first.Map.ShouldBe(new BlobReference { Key = "an_1/map-shallowfake", Bytes = map.Length });
        first.Activation.ShouldBeNull();
        second.Score.ShouldBe(first.Score);
        (await ReadAsync(blobs, "an_1/map-shallowfake")).ShouldBe(map);
        TestPicture.Mean(ProbabilityMap.FromBytes(map), 0, 0, 14, 20).ShouldBeGreaterThan(0.95);
    }

    [Fact]
    public async Task Without_a_model_the_answer_is_an_error_with_a_reason_and_no_score()
    {
        var manifest = ModelFolder.Manifest();
        manifest["sha256"] = new string('b', 64);
        models.Add("shallowfake", ModelFolder.RedFinder(), manifest);
        var harness = await StartAsync();
        await services!.GetRequiredService<IBlobStore>().PutFileAsync("an_1/prepared", TestPicture.Write(40, 40, TestPicture.RedAt(0, 0, 9, 9)), default);

        await SendAsync(harness, "an_1");
        var answer = await AnswerAsync(harness, 1);

        answer.State.ShouldBe(DetectorStates.Error);
        answer.Score.ShouldBeNull();
        answer.Map.ShouldBeNull();
        answer.Model.ShouldBeNull();
        answer.Reason.ShouldNotBeNull().ShouldContain("SHA-256");
        (await harness.Published.Any<Fault<LocalizeManipulation>>()).ShouldBeFalse(); // an answer, not a fault
    }

    [Fact]
    public async Task An_erased_picture_is_an_answer_too()
    {
        models.Add("shallowfake", ModelFolder.RedFinder(), ModelFolder.Manifest());
        var harness = await StartAsync();

        await SendAsync(harness, "an_gone");

        var answer = await AnswerAsync(harness, 1);
        answer.State.ShouldBe(DetectorStates.Error);
        answer.Reason.ShouldBe("The prepared picture is gone.");
    }

    [Fact]
    public async Task The_heartbeat_says_which_model_lives_and_nothing_when_it_stops()
    {
        var manifest = ModelFolder.Manifest();
        manifest["card"] = System.Text.Json.Nodes.JsonNode.Parse("""{"limitations":["only red"],"metrics":{"f1":0.5}}""");
        models.Add("shallowfake", ModelFolder.RedFinder(), manifest);
        var registry = new RecordingRegistry();
        using var detector = new ModelDetector("shallowfake", models.Options(), TimeProvider.System, NullLogger<ModelDetector>.Instance);
        using var heartbeat = new LocalizerHeartbeat(detector, registry, TimeProvider.System, NullLogger<LocalizerHeartbeat>.Instance);

        await heartbeat.StartAsync(default);
        var alive = await registry.NextAsync();
        await heartbeat.StopAsync(default);

        (alive.Name, alive.Ready, alive.Reason, alive.Provider, alive.Threshold).ShouldBe(("shallowfake", true, null, "cpu", 0.5));
        alive.Model.ShouldBe(detector.Model);
        alive.Limitations.ShouldBe(["only red"]);
        alive.Metrics!.Value.GetProperty("f1").GetDouble().ShouldBe(0.5);
        // A restart shorter than a heartbeat's lifetime costs no picture its answer: "not ready" would.
        registry.Unread.ShouldBe(0);
    }

    private async Task<ITestHarness> StartAsync()
    {
        var settings = new PlatformSettings { ServiceName = "test", DataDirectory = data, ModelsDirectory = models.Path };
        services = new ServiceCollection()
            .AddSingleton(settings).AddSingleton<IBlobStore, FileBlobStore>().AddSingleton(TimeProvider.System).AddLogging()
            .AddSingleton(Options.Create(models.Options()))
            .AddKeyedSingleton("shallowfake", (s, _) => new ModelDetector("shallowfake", models.Options(), TimeProvider.System, NullLogger<ModelDetector>.Instance))
            .AddMassTransitTestHarness(bus => bus.AddConsumer<LocalizeManipulationConsumer<ShallowfakeLocalizer>, LocalizeManipulationDefinition<ShallowfakeLocalizer>>())
            .BuildServiceProvider(validateScopes: true);
        services.GetRequiredKeyedService<ModelDetector>("shallowfake").Load();
        var harness = services.GetRequiredService<ITestHarness>();
        harness.TestInactivityTimeout = TimeSpan.FromSeconds(2);
        await harness.Start();
        return harness;
    }

    private static async Task SendAsync(ITestHarness harness, string analysis)
    {
        var queue = await harness.Bus.GetSendEndpoint(Queues.Address(Queues.Localize("shallowfake")));
        await queue.Send(new LocalizeManipulation
        {
            AnalysisId = analysis,
            Detector = "shallowfake",
            Prepared = new BlobReference { Key = analysis + "/prepared", Bytes = 1 },
            Options = new AnalysisOptions(),
        });
    }

    private static async Task<ManipulationLocalized> AnswerAsync(ITestHarness harness, int count)
    {
        var answers = new List<ManipulationLocalized>();
        await foreach (var published in harness.Published.SelectAsync<ManipulationLocalized>())
        {
            answers.Add(published.Context.Message);
            if (answers.Count == count)
            {
                break;
            }
        }

        answers.Count.ShouldBe(count);
        return answers[^1];
    }

    private static async Task<byte[]> ReadAsync(IBlobStore blobs, string key)
    {
        using var file = await blobs.OpenLocalAsync(key, default);
        return await File.ReadAllBytesAsync(file.Path);
    }

    private sealed class RecordingRegistry : IDetectorRegistry
    {
        private readonly System.Threading.Channels.Channel<DetectorHeartbeat> beats = System.Threading.Channels.Channel.CreateUnbounded<DetectorHeartbeat>();

        public int Unread => beats.Reader.Count;

        public async Task<DetectorHeartbeat> NextAsync() => await beats.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));

        public Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken) => beats.Writer.WriteAsync(heartbeat, cancellationToken).AsTask();

        public Task<IReadOnlyList<DetectorHeartbeat>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<DetectorHeartbeat>>([]);
    }
}
