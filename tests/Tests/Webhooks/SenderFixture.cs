using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Tests.Webhooks;

/// <summary>The sender over a real SQLite file (or PostgreSQL) and a clock that only moves when told.</summary>
internal sealed class SenderFixture : IAsyncDisposable
{
    public const string Tenant = "tenant-a";

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly List<WebhookSender> senders = [];
    private readonly GuardedHttp http;
    private readonly AnalysisStore analyses;
    private readonly OutboxStore outbox;
    private int count;

    private SenderFixture(string? allowed, Uri? postgres, HostResolver? resolve)
    {
        var settings = new PlatformSettings
        {
            ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder, Postgres = postgres, AllowedNetworks = allowed is null ? [] : [IPNetwork.Parse(allowed)],
        };
        Database = new PlatformDatabase(settings);
        http = resolve is null ? new GuardedHttp(settings, Time) : new GuardedHttp(settings, Time, resolve);
        Schedule = new WebhookSchedule(Time);
        Store = new DeliveryStore(Database, Time);
        Endpoints = new EndpointStore(Database, Time);
        outbox = new OutboxStore(Database, settings, Time);
        analyses = new AnalysisStore(Database, outbox, new LocalSignals());
    }

    public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

    public PlatformDatabase Database { get; }

    public WebhookSchedule Schedule { get; }

    public DeliveryStore Store { get; }

    public EndpointStore Endpoints { get; }

    public WebhookOptions Options { get; } = new() { PollSeconds = 0.02 };

    public string Secret { get; } = WebhookSignature.CreateSecret();

    public static async Task<SenderFixture> CreateAsync(string? allowed = "127.0.0.0/8", Uri? postgres = null, HostResolver? resolve = null)
    {
        var fixture = new SenderFixture(allowed, postgres, resolve);
        await new SchemaMigrator(fixture.Database, fixture.Time, NullLogger<SchemaMigrator>.Instance).StartAsync(default);
        await fixture.Database.ExecuteAsync("INSERT INTO tenants (id, webhook_secret, created_at) VALUES (@Tenant, @Secret, 0)", new { Tenant, fixture.Secret }, default);
        return fixture;
    }

    public async Task StartSenderAsync()
    {
        var sender = new WebhookSender(Schedule, Store, new DeliveryAttempt(http, Time), Microsoft.Extensions.Options.Options.Create(Options), Time, NullLogger<WebhookSender>.Instance);
        senders.Add(sender);
        await sender.StartAsync(default);
    }

    /// <summary>Ends an analysis as reporting does; returns its id.</summary>
    public async Task<string> FinishAsync(string? callback, Func<AnalysisRecord, AnalysisRecord>? change = null)
    {
        var now = Time.GetUtcNow();
        string id = $"an_{++count:d4}";
        var record = new AnalysisRecord
        {
            Id = id,
            Tenant = Tenant,
            Status = AnalysisStatuses.Succeeded,
            Stage = Stages.Reporting,
            StageSince = now,
            CreatedAt = now,
            CompletedAt = now,
            ExpiresAt = now.AddDays(30),
            Request = new AnalysisRequest { Upload = new BlobReference { Key = id + "/upload", Bytes = 3 }, Sha256 = "00", Format = "jpeg", Options = new AnalysisOptions(), CallbackUrl = callback },
            Findings = new AnalysisFindings
            {
                Result = new AnalysisResult { Verdict = Verdicts.LikelyFake, Score = 0.9, Confidence = 0.9, Kind = "shallowfake", ManipulatedArea = 0.1, Regions = [], Faces = [], CalibrationVersion = "1" },
            },
        };
        record = change is null ? record : change(record);
        await analyses.InsertAsync([record], [], t => Schedule.ScheduleAsync(t, record, default), default);
        Schedule.Wake();
        return id;
    }

    public async Task<IReadOnlyList<WebhookDeliveryDocument>> LogAsync() => await Endpoints.DeliveriesAsync(Tenant, new DeliveryFilter(null, null, null, 1000, null), default);

    /// <summary>Waits on the real clock until the log says so.</summary>
    public async Task<IReadOnlyList<WebhookDeliveryDocument>> UntilAsync(Func<IReadOnlyList<WebhookDeliveryDocument>, bool> condition)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            var log = await LogAsync();
            if (condition(log))
            {
                return log;
            }

            watch.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(20), string.Join('\n', log.Select(d => d.ToString())));
            await Task.Delay(10);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var sender in senders)
        {
            await sender.StopAsync(default);
            sender.Dispose();
        }

        http.Dispose();
        outbox.Dispose();
        Schedule.Dispose();
        await Database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
