using MassTransit;
using Microsoft.Extensions.DependencyInjection;

namespace Palimpsest.Hosting;

/// <summary>The one call to AddMassTransit: services contribute consumers, the host owns transport and shutdown.</summary>
internal static class BusSetup
{
    public static void AddPlatformBus(this IServiceCollection services, PlatformSettings settings, IReadOnlyList<Action<IBusRegistrationConfigurator>> contributions)
    {
        services.AddMassTransit(bus =>
        {
            bus.DisableUsageTelemetry();
            foreach (var contribute in contributions)
            {
                contribute(bus);
            }

            if (settings.RabbitMq is { } url)
            {
                bus.UsingRabbitMq((context, rabbit) =>
                {
                    string[] user = url.UserInfo.Split(':', 2);
                    string virtualHost = Uri.UnescapeDataString(url.AbsolutePath.Trim('/'));
                    rabbit.Host(url.Host, (ushort)(url.Port > 0 ? url.Port : 5672), virtualHost.Length > 0 ? virtualHost : "/", settings.ServiceName, host =>
                    {
                        host.Username(user[0].Length > 0 ? Uri.UnescapeDataString(user[0]) : "guest");
                        host.Password(user.Length > 1 ? Uri.UnescapeDataString(user[1]) : "guest");
                        host.Heartbeat(TimeSpan.FromSeconds(10));
                        host.PublisherConfirmation = true;
                        if (url.Scheme == "amqps")
                        {
                            host.UseSsl(_ => { });
                        }
                    });
                    rabbit.ConfigureEndpoints(context);
                });
            }
            else
            {
                bus.UsingInMemory((context, memory) => memory.ConfigureEndpoints(context));
            }
        });

        // compose's stop_grace_period 60 s > host 45 s > bus 40 s > consumer 30 s: work in hand finishes, the rest returns to the queue.
        services.Configure<MassTransitHostOptions>(options =>
        {
            options.WaitUntilStarted = false;
            options.StopTimeout = TimeSpan.FromSeconds(40);
            options.ConsumerStopTimeout = TimeSpan.FromSeconds(30);
        });
    }
}
