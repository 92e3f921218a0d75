using MassTransit;
using Microsoft.Extensions.Options;
using Palimpsest.Decoding;
using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;

namespace Palimpsest.Reporting;

/// <summary>Owns an analysis after acceptance: join, fusion, verdict, report, events, retention.</summary>
public static class ReportingService
{
    /// <summary>Adds it to a process.</summary>
    public static void AddReporting(this PlatformBuilder platform)
    {
        ArgumentNullException.ThrowIfNull(platform);
        platform.AddOutboxDispatcher();
        platform.AddDecoding();
        platform.AddWebhooks();
        platform.AddOptions<ReportingOptions>(ReportingOptions.Section);
        platform.AddOptions<EvidenceOptions>(EvidenceOptions.Section);
        var services = platform.Services;
        services.AddSingleton(s => s.GetRequiredService<IOptions<EvidenceOptions>>().Value);
        services.AddSingleton<EvidenceDecoders>();
        services.AddSingleton<EvidenceBook>();
        services.AddSingleton<NearDuplicates>();
        services.AddSingleton(s => s.GetRequiredService<IOptions<ReportingOptions>>().Value);
        services.AddSingleton<Analysis>();
        services.AddSingleton<ReportWriter>();
        services.AddSingleton<StepProgress>();
        services.AddSingleton<RecentRecords>();
        services.AddSingleton<BatchCompletion>();
        services.AddSingleton<AnalysisUpdater>();
        services.AddSingleton<StalledSweep>();
        services.AddHostedService(s => s.GetRequiredService<StalledSweep>());
        services.AddSingleton<RetentionSweep>();
        services.AddHostedService(s => s.GetRequiredService<RetentionSweep>());
        services.AddSingleton<RenderedImages>();
        services.AddSingleton<Pictures>();
        services.AddSingleton<PicturesUnderway>();
        services.AddSingleton<FeedbackExport>();
        services.AddSingleton<AnalysisEraser>();
        services.AddSingleton<StoredAnswers>();
        services.AddSingleton<BatchEraser>();
        platform.AddConsumers(bus =>
        {
            bus.AddConsumer<ReportConsumer, ReportDefinition>();
            bus.AddConsumer<DeadLetterConsumer, DeadLetterDefinition>();
        });
    }

    /// <summary>Maps its endpoints.</summary>
    public static void MapReporting(this WebApplication app)
    {
        ArgumentNullException.ThrowIfNull(app);
        app.UseTenantAssertions();
        app.MapWebhooks();
        var api = app.MapGroup("/v1").AddEndpointFilter<CallerFilter>();
        api.MapAnalyses();
        api.MapList();
        api.MapEvents();
        api.MapImages();
        api.MapEvidence();
        api.MapReport();
        api.MapBatches();
        api.MapFeedback();
        api.MapDetectors();
    }
}
