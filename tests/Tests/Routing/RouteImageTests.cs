using MassTransit;
using MassTransit.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Inference;
using Palimpsest.Routing;
using Palimpsest.Tests.Inference;

namespace Palimpsest.Tests.Routing;

/// <summary>Routing's consumer on an in-memory bus, with the shipped forest.</summary>
public sealed class RouteImageTests : IAsyncLifetime
{
    private readonly string data = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly List<DetectorHeartbeat> alive = [];
    private ServiceProvider? services;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (services is not null)
        {
            await services.DisposeAsync();
        }

        Directory.Delete(data, recursive: true);
    }

    [Fact]
    public async Task A_picture_without_faces_goes_to_the_shallowfake_localizer()
    {
        Alive(DetectorNames.Shallowfake, DetectorNames.Deepfake);
        var harness = await StartAsync();
        await PutAsync("an_1", faces: 0);

        var routed = await RouteAsync(harness, "an_1");

        routed.Plan.Select(detector => detector.Action).ShouldBe([DetectorActions.Run, DetectorActions.NotApplicable]);
        routed.Shallowfake.ShouldBeNull(); // the forest is not asked where it decides nothing
        (await SentAsync(harness)).ShouldBe([DetectorNames.Shallowfake]);
    }

    [Fact]
    public async Task A_picture_with_a_face_is_shown_to_the_shipped_forest()
    {
        Alive(DetectorNames.Shallowfake, DetectorNames.Deepfake);
        var harness = await StartAsync();
        await PutAsync("an_1", faces: 1);

        var routed = await RouteAsync(harness, "an_1");

        (routed.Shallowfake!.Value + routed.Deepfake!.Value).ShouldBe(1, 1e-4);
        string[] running = [.. routed.Plan.Where(detector => detector.Action == DetectorActions.Run).Select(detector => detector.Detector)];
        (await SentAsync(harness)).ShouldBe(running, ignoreOrder: true);
        running.ShouldNotBeEmpty();
        if (Math.Max(routed.Shallowfake.Value, routed.Deepfake.Value) >= 0.6)
        {
            running.ShouldHaveSingleItem();
            routed.Plan.ShouldContain(detector => detector.Action == DetectorActions.RunIfClean);
        }
    }

    [Fact]
    public async Task With_no_localizer_alive_nothing_is_sent_and_the_plan_says_why()
    {
        var harness = await StartAsync();
        await PutAsync("an_1", faces: 1);

        var routed = await RouteAsync(harness, "an_1");

        routed.Plan.ShouldAllBe(detector => detector.Action == DetectorActions.Unavailable && detector.Reason != null);
        (await SentAsync(harness)).ShouldBeEmpty();
    }

    [Fact]
    public async Task An_erased_picture_is_not_routed()
    {
        var harness = await StartAsync();
        await harness.Bus.Publish(Message("an_gone", 0));
        (await harness.Consumed.Any<ImagePreprocessed>()).ShouldBeTrue();
        (await harness.Published.Any<AnalysisRouted>()).ShouldBeFalse();
        (await harness.Published.Any<Fault<ImagePreprocessed>>()).ShouldBeFalse();
    }

    private void Alive(params string[] names) => alive.AddRange(names.Select(name => new DetectorHeartbeat { Name = name, Instance = "test", Ready = true }));

    private async Task<ITestHarness> StartAsync()
    {
        services = new ServiceCollection()
            .AddSingleton(new PlatformSettings { ServiceName = "test", DataDirectory = data, ModelsDirectory = ModelCatalog.DefaultFolder })
            .AddSingleton<IBlobStore, FileBlobStore>().AddSingleton<IDetectorRegistry>(new FixedRegistry(alive)).AddSingleton(TimeProvider.System).AddLogging()
            .AddSingleton(Options.Create(new InferenceOptions { Models = ModelCatalog.DefaultFolder })).AddSingleton<RouterModel>().AddSingleton(Settled(new FixedRegistry(alive)))
            .AddMassTransitTestHarness(bus => bus.AddConsumer<RouteImageConsumer, RouteImageDefinition>())
            .BuildServiceProvider(validateScopes: true);
        services.GetRequiredService<RouterModel>().Unavailable.ShouldBeNull();
        var harness = services.GetRequiredService<ITestHarness>();
        harness.TestInactivityTimeout = TimeSpan.FromSeconds(1);
        await harness.Start();
        return harness;
    }

    /// <summary>The router has run for a while: who is silent is gone.</summary>
    private static LivingDetectors Settled(IDetectorRegistry registry)
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var living = new LivingDetectors(registry, time);
        time.Advance(LivingDetectors.Grace);
        return living;
    }

    private Task PutAsync(string analysis, int faces) => services!.GetRequiredService<IBlobStore>().PutFileAsync(
        analysis + "/prepared",
        TestPicture.Write(320, 240, (x, y) => ((byte)x, (byte)y, (byte)(x + y)), [.. Enumerable.Range(0, faces).Select(i => TestPicture.Face(40 * i, 60, 60, 60))]),
        default);

    private static async Task<AnalysisRouted> RouteAsync(ITestHarness harness, string analysis)
    {
        await harness.Bus.Publish(Message(analysis, 0));
        (await harness.Consumed.Any<ImagePreprocessed>()).ShouldBeTrue();
        await foreach (var published in harness.Published.SelectAsync<AnalysisRouted>())
        {
            return published.Context.Message;
        }

        throw new InvalidOperationException("Nothing was routed.");
    }

    private static async Task<List<string>> SentAsync(ITestHarness harness)
    {
        var sent = new List<string>();
        await foreach (var command in harness.Sent.SelectAsync<LocalizeManipulation>())
        {
            command.Context.DestinationAddress!.AbsolutePath.ShouldEndWith(Queues.Localize(command.Context.Message.Detector));
            sent.Add(command.Context.Message.Detector);
        }

        return sent;
    }

    private static ImagePreprocessed Message(string analysis, int faces) => new()
    {
        AnalysisId = analysis,
        Prepared = new BlobReference { Key = analysis + "/prepared", Bytes = 1 },
        Format = "png",
        Width = 320,
        Height = 240,
        FaceCount = faces,
        Options = new AnalysisOptions(),
    };

    private sealed class FixedRegistry(List<DetectorHeartbeat> beats) : IDetectorRegistry
    {
        public Task BeatAsync(DetectorHeartbeat heartbeat, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<IReadOnlyList<DetectorHeartbeat>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<DetectorHeartbeat>>(beats);
    }
}
