using Microsoft.Extensions.DependencyInjection;
using Palimpsest.Hosting;

namespace Palimpsest.Reporting.Webhooks;

/// <summary>Webhooks as a part of reporting.</summary>
internal static class WebhookSetup
{
    public static void AddWebhooks(this PlatformBuilder platform)
    {
        platform.AddOptions<WebhookOptions>(WebhookOptions.Section);
        platform.Services.AddSingleton<DeliveryStore>();
        platform.Services.AddSingleton<EndpointStore>();
        platform.Services.AddSingleton<DeliveryAttempt>();
        platform.Services.AddHostedService<WebhookSender>();
    }

    public static void MapWebhooks(this WebApplication app) => WebhookEndpoints.Map(app);
}
