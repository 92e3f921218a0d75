using System.Net.Security;
using System.Security.Authentication;
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
                    var server = ServerUrl.Of(url);
                    rabbit.Host(server.Host, (ushort)server.Port, server.Path.Length > 0 ? server.Path : "/", settings.ServiceName, host =>
                    {
                        host.Username(server.User.Length > 0 ? server.User : "guest");
                        host.Password(server.Password ?? "guest");
                        host.Heartbeat(TimeSpan.FromSeconds(10));
                        host.PublisherConfirmation = true;
                        if (url.Scheme == "amqps")
                        {
                            host.UseSsl(ssl =>
                            {
                                // By itself it takes a certificate that nobody vouches for.
                                ssl.EnforcePolicyErrors(SslPolicyErrors.RemoteCertificateChainErrors);
                                ssl.ServerName = server.Host;
                                ssl.Protocol = SslProtocols.None; // the machine's choice
                            });
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
