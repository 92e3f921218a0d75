using System.Globalization;
using System.Net;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;
using Palimpsest.Local.Commands;
using Palimpsest.Local.Distributed;
using Palimpsest.Local.Evaluation;
using Palimpsest.Local.Servers;
using Palimpsest.Tests;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Palimpsest.IntegrationTests;

/// <summary>The distributed platform on real servers, started once: gateway and five services as processes of their own.</summary>
public sealed class TestPlatform : IAsyncLifetime
{
    public const string Key = "integration-tests-key-0123456789";

    private readonly TestFolder folder = new("palimpsest-it-");
    private readonly HttpClient http = new() { Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>Given as <c>--data</c>.</summary>
    internal string Folder => folder.Path;

    internal DistributedHost Host { get; private set; } = null!;

    internal Receiver Receiver { get; private set; } = null!;

    public PalimpsestClient Client { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Receiver = await Receiver.StartAsync();
        var settings = new UpSettings { Port = ChildProcess.FreePort(), Data = Folder, Networks = ["127.0.0.0/8"] };
        Host = await DistributedHost.StartAsync(
            settings, Environment.GetEnvironmentVariable,
            new Dictionary<string, string?>(StringComparer.Ordinal)
            {
                ["PALIMPSEST_API_KEY"] = Key, ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Receiver.Address.ToString(), ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf", ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
                ["Decoder:TestHooks"] = "true", ["Reporting:SweepSeconds"] = "2", ["Reporting:StepSeconds"] = "8", ["Intake:FirstDeadlineSeconds"] = "8",
            },
            _ => { }, CancellationToken.None);
        http.BaseAddress = Host["gateway"].Address;
        Client = new PalimpsestClient(http, Key);
        await ReadyAsync();
    }

    public async Task DisposeAsync()
    {
        if (Host is not null)
        {
            await Host.DisposeAsync();
        }

        await Receiver.DisposeAsync();
        http.Dispose();
        folder.Dispose();
    }

    /// <summary>Submits as a careful client does: one Idempotency-Key, again until there is an answer.</summary>
    public static async Task<AnalysisDocument> SubmitAsync(PalimpsestClient client, byte[] picture, SubmitOptions options)
    {
        var sure = options with { IdempotencyKey = Guid.NewGuid().ToString("n") };
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await client.SubmitAsync(new MemoryStream(picture), "p.jpg", sure);
            }
            catch (Exception e) when (attempt < 200 && (e is HttpRequestException or TaskCanceledException
                || (e is PalimpsestProblemException problem && (problem.Status >= HttpStatusCode.InternalServerError || problem.Code == ErrorCodes.IdempotencyInFlight))))
            {
                await Task.Delay(500);
            }
        }
    }

    /// <summary>Until every service says that it is ready.</summary>
    public async Task ReadyAsync()
    {
        foreach (var service in Host.Services)
        {
            // A checkout without one of the models is tested as well; its service says so and stays.
            await service.WaitUntilReadyAsync(answer => answer.Contains("There is no model", StringComparison.Ordinal), CancellationToken.None);
        }
    }

    /// <summary>Sum of a counter over its labels, as one service's /metrics shows it.</summary>
    public static async Task<double> CounterAsync(Uri address, string name)
    {
        using var http = new HttpClient();
        string text = await http.GetStringAsync(new Uri(address, "/metrics"));
        return text.Split('\n').Where(line => line.StartsWith(name + "{", StringComparison.Ordinal) || line.StartsWith(name + " ", StringComparison.Ordinal))
            .Sum(line => double.Parse(line.AsSpan(line.LastIndexOf(' ') + 1), CultureInfo.InvariantCulture));
    }
}

[CollectionDefinition(Name)]
public sealed class PlatformCollection : ICollectionFixture<TestPlatform>
{
    public const string Name = "platform";
}

/// <summary>Masks as the API gives them, compared pixel by pixel.</summary>
internal static class Masks
{
    /// <summary>Largest difference of two masks of the same size, in 1/255.</summary>
    public static int Difference(byte[] png, byte[] other)
    {
        var (a, width, height) = Read(png);
        var (b, otherWidth, otherHeight) = Read(other);
        (otherWidth, otherHeight).ShouldBe((width, height));
        return a.Zip(b, (x, y) => Math.Abs(x - y)).Max();
    }

    public static (byte[] Values, int Width, int Height) Read(byte[] png)
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, png);
            using var pixels = Pictures.Decode(path);
            return (pixels.Span.ToArray().Where((_, i) => i % pixels.Bands == 0).ToArray(), pixels.Width, pixels.Height);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
