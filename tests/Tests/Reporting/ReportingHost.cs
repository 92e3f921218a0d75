using System.Net.Http.Headers;
using System.Text.Json;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Rendering;
using Palimpsest.Reporting;

namespace Palimpsest.Tests.Reporting;

/// <summary>
/// Reporting as it runs embedded: real bus, database, blobs, decoder processes. The services before it are played by a consumer that answers as <see cref="Scenes"/> say. Who asks
/// is said by a header, the gateway's part.
/// </summary>
public sealed class ReportingHost : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private WebApplication app = null!;

    internal Scenes Scenes { get; } = new();

    /// <summary>Beside the usual ones.</summary>
    internal Dictionary<string, string?> Settings { get; init; } = [];

    /// <summary>Another clock than the machine's.</summary>
    internal TimeProvider? Time { get; init; }

    internal IServiceProvider Services => app.Services;

    internal IAnalysisStore Store => Services.GetRequiredService<IAnalysisStore>();

    internal IBlobStore Blobs => Services.GetRequiredService<IBlobStore>();

    internal PlatformDatabase Database => Services.GetRequiredService<PlatformDatabase>();

    public async Task InitializeAsync()
    {
        var platform = PlatformBuilder.Create([], "reporting", new Dictionary<string, string?>(Settings)
        {
            ["PALIMPSEST_DATA"] = folder, ["PALIMPSEST_MODELS"] = Path.Combine(folder, "models"), ["RABBITMQ_URL"] = null, ["REDIS_URL"] = null, ["POSTGRES_URL"] = null, ["Decoder:Processes"] = "1",
            ["Reporting:FaultRetrySeconds"] = "0.1", ["Reporting:VolumeFullRetrySeconds"] = "0.1",
        });
        platform.Host.WebHost.UseTestServer();
        platform.AddReporting();
        platform.Services.AddSingleton(Scenes);
        if (Time is not null)
        {
            platform.Services.AddSingleton(Time);
        }

        platform.AddConsumers(bus =>
        {
            bus.AddConsumer<ServicesBefore, ServicesBeforeDefinition>();
            bus.AddConsumer<Router, RouterDefinition>();
        });
        app = platform.Build();
        app.Use((context, next) =>
        {
            if (context.Request.Headers["X-Test-Tenant"].ToString() is { Length: > 0 } tenant)
            {
                string scopes = context.Request.Headers["X-Test-Scopes"].ToString() is { Length: > 0 } given ? given : "submit read admin";
                context.Features.Set(new TenantContext(tenant, "key", scopes.Split(' ').ToHashSet()));
            }

            return next(context);
        });
        app.MapReporting();
        await app.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    internal HttpClient Client(string tenant = "acme", string? scopes = null)
    {
        var client = app.GetTestClient();
        client.DefaultRequestHeaders.Add("X-Test-Tenant", tenant);
        if (scopes is not null)
        {
            client.DefaultRequestHeaders.Add("X-Test-Scopes", scopes);
        }

        return client;
    }

    /// <summary>What the gateway does: stores the upload, inserts the row with its first command.</summary>
    internal async Task<string> SubmitAsync(string tenant = "acme", Func<AnalysisRequest, AnalysisRequest>? change = null, bool send = true, DateTimeOffset? at = null)
    {
        var time = Services.GetRequiredService<TimeProvider>();
        string id = Ids.Analysis(time);
        long bytes = await Blobs.PutAsync(id + "/upload", new MemoryStream(Scenes.Upload()), default);
        var now = at ?? time.GetUtcNow();
        var request = A.Request(id) with { Upload = new BlobReference { Key = id + "/upload", Bytes = bytes } };
        request = change?.Invoke(request) ?? request;
        var record = A.Record(id, request) with { Tenant = tenant, CreatedAt = now, StageSince = now, StageDue = now.AddSeconds(60), ExpiresAt = now.AddDays(30) };
        OutboxMessage[] messages = send ? [OutboxMessage.Command(time, Queues.Preprocess, id, new PreprocessImage { AnalysisId = id, Upload = request.Upload, Options = request.Options })] : [];
        await Store.InsertAsync([record], messages, null, default);
        return id;
    }

    /// <summary>An analysis that has ended, and whose upload is another picture since.</summary>
    internal async Task<string> FinishedAsync(string tenant, byte[]? upload = null)
    {
        string id = (await EndAsync(await SubmitAsync(tenant))).Id;
        await (upload is null ? Task.CompletedTask : File.WriteAllBytesAsync(await UploadAsync(id), upload));
        return id;
    }

    internal async Task<string> UploadAsync(string id) => (await Blobs.OpenLocalAsync(id + "/upload", default)).Path;

    internal async Task<AnalysisRecord> EndAsync(string id, int seconds = 20)
    {
        var deadline = DateTime.UtcNow.AddSeconds(seconds);
        while (true)
        {
            var record = await Store.LoadAsync(id, default);
            if (record is not null && AnalysisStatuses.IsTerminal(record.Status))
            {
                return record;
            }

            (DateTime.UtcNow < deadline).ShouldBeTrue($"{id} is still {record?.Status}/{record?.Stage}");
            await Task.Delay(20);
        }
    }

    internal static async Task<JsonElement> JsonAsync(HttpResponseMessage response)
    {
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return document.RootElement.Clone();
    }

    internal static async Task<string> CodeAsync(HttpResponseMessage response)
    {
        response.Content.Headers.ContentType.ShouldBe(MediaTypeHeaderValue.Parse("application/problem+json"));
        return (await JsonAsync(response)).GetProperty("code").GetString()!;
    }
}

/// <summary>What the services before reporting answer.</summary>
internal sealed class Scenes
{
    public const int Width = 101;
    public const int Height = 67;

    public double Shallow { get; set; } = 0.9;

    public double Deep { get; set; } = 0.1;

    public int Faces { get; set; }

    /// <summary>Preprocessing throws this while it is given.</summary>
    public Func<Exception?>? Throw { get; set; }

    /// <summary>Routing throws this instead of routing.</summary>
    public Exception? RouterThrows { get; set; }

    public ImageFacts Facts => A.Facts(Width, Height, Faces);

    /// <summary>A red picture with a grey gradient.</summary>
    public static byte[] Upload()
    {
        using var png = new MemoryStream();
        using (var writer = new PngWriter(png, Width, Height, channels: 3))
        {
            var row = new byte[Width * 3];
            for (int y = 0; y < Height; y++)
            {
                for (int x = 0; x < Width; x++)
                {
                    (row[x * 3], row[(x * 3) + 1], row[(x * 3) + 2]) = (200, (byte)x, (byte)y);
                }

                writer.WriteRow(row);
            }
        }

        return png.ToArray();
    }

    public ProbabilityMap MapOf(string detector) => detector == DetectorNames.Shallowfake ? A.Map(Facts, (5, 5, 6, 4, 230)) : A.Map(Facts, (1, 1, 3, 3, 200));
}

/// <summary>Preprocessing, routing and both localizers in one.</summary>
internal sealed class ServicesBefore(IBlobStore blobs, Scenes scenes) : IConsumer<PreprocessImage>
{
    public async Task Consume(ConsumeContext<PreprocessImage> context)
    {
        if (scenes.Throw?.Invoke() is { } exception)
        {
            throw exception;
        }

        string id = context.Message.AnalysisId;
        string path = blobs.CreateTemporaryPath();
        await using (var file = new FileStream(path, FileMode.CreateNew))
        {
            long end = PreparedImage.HeaderBytes + (Scenes.Width * Scenes.Height * 3);
            PreparedImage.Finish(file, Scenes.Width, Scenes.Height, 0, 0, PreparedImage.Align(end), scenes.Facts);
        }

        await blobs.PutFileAsync(id + "/prepared", path, default);
        await context.Publish(A.Preprocessed(scenes.Faces, id) with { Width = Scenes.Width, Height = Scenes.Height });
        if (scenes.RouterThrows is not null)
        {
            return;
        }

        await context.Publish(A.Routed(deep: scenes.Faces > 0 ? DetectorActions.Run : DetectorActions.NotApplicable, id: id));
        foreach (string detector in scenes.Faces > 0 ? DetectorNames.All : [DetectorNames.Shallowfake])
        {
            byte[] map = scenes.MapOf(detector).ToBytes();
            await blobs.PutAsync($"{id}/map-{detector}", new MemoryStream(map), default);
            await blobs.PutAsync($"{id}/activation-{detector}", new MemoryStream(map), default);
            await context.Publish(A.Localized(detector, detector == DetectorNames.Shallowfake ? scenes.Shallow : scenes.Deep, id) with
            {
                FaceScores = detector == DetectorNames.Deepfake ? [.. Enumerable.Repeat(scenes.Deep, scenes.Faces)] : [],
                Activation = new BlobReference { Key = $"{id}/activation-{detector}", Bytes = map.Length },
            });
        }
    }
}

internal sealed class ServicesBeforeDefinition : ConsumerDefinition<ServicesBefore>
{
    public ServicesBeforeDefinition() => EndpointName = Queues.Preprocess;

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<ServicesBefore> consumerConfigurator, IRegistrationContext context) =>
        endpointConfigurator.UsePlatformDefaults(prefetch: 4, command: true);
}

/// <summary>Routing, where a scene wants it to fail.</summary>
internal sealed class Router(Scenes scenes) : IConsumer<ImagePreprocessed>
{
    public Task Consume(ConsumeContext<ImagePreprocessed> context) => scenes.RouterThrows is { } exception ? throw exception : Task.CompletedTask;
}

internal sealed class RouterDefinition : ConsumerDefinition<Router>
{
    public RouterDefinition() => EndpointName = Queues.Route;

    protected override void ConfigureConsumer(IReceiveEndpointConfigurator endpointConfigurator, IConsumerConfigurator<Router> consumerConfigurator, IRegistrationContext context) =>
        endpointConfigurator.UsePlatformDefaults(prefetch: 4, command: false);
}
