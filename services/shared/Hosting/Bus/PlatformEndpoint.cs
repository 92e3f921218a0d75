using System.Net.Sockets;
using MassTransit;
using Npgsql;

namespace Palimpsest.Hosting;

/// <summary>What every receive endpoint has in common: quorum queue, dead-lettering after five deliveries, three short retries of transient errors, patience while the database is away.</summary>
public static class PlatformEndpoint
{
    /// <summary>
    /// Redeliveries after which the broker gives a message up to the dead-letter queue. It counts every lost connection and every death of the consumer, whoever caused it, so this is not
    /// yet the end: reporting sends the step again a few times, later and later.
    /// </summary>
    public const int DeliveryLimit = 5;

    /// <summary>Tries while the database does not answer: about fifteen minutes, at most four seconds apart.</summary>
    private const int DatabaseTries = 225;

    /// <summary>Applies the common settings; call from a consumer definition.</summary>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="prefetch">Messages taken ahead.</param>
    /// <param name="command">True for command queues: they do not bind to the message's exchange, or each localizer would get the other's commands.</param>
    public static void UsePlatformDefaults(this IReceiveEndpointConfigurator endpoint, int prefetch, bool command)
    {
        ArgumentNullException.ThrowIfNull(endpoint);
        endpoint.PrefetchCount = prefetch;
        endpoint.ConfigureConsumeTopology = !command;
        if (endpoint is IRabbitMqReceiveEndpointConfigurator rabbit)
        {
            rabbit.SetQuorumQueue();
            rabbit.SetQueueArgument("x-delivery-limit", DeliveryLimit);
            rabbit.SetQueueArgument("x-dead-letter-exchange", Queues.DeadLetter);
            rabbit.SetQueueArgument("x-dead-letter-strategy", "at-least-once");
            rabbit.SetQueueArgument("x-overflow", "reject-publish");
        }

        endpoint.UsePlatformRetry();
    }

    /// <summary>Three short retries of transient errors, and patience while the database is away.</summary>
    /// <param name="endpoint">The endpoint.</param>
    public static void UsePlatformRetry(this IReceiveEndpointConfigurator endpoint)
    {
        // The database going away is nothing this message did. Giving it up would cost its analysis a minute until the sweep, and all the messages after it would fail as well: they wait
        // here, unacknowledged, as many as are taken ahead. The broker allows half an hour.
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(IsDatabaseAway);
            retry.Exponential(DatabaseTries, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(4), TimeSpan.FromMilliseconds(200));
        });
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<Exception>(e => IsTransient(e) && !IsDatabaseAway(e));
            retry.Exponential(3, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(300));
        });
    }

    private static bool IsDatabaseAway(Exception e) => e is NpgsqlException { IsTransient: true } || (e.InnerException is { } inner && IsDatabaseAway(inner));

    private static bool IsTransient(Exception e) => e switch
    {
        TimeoutException or SocketException => true,
        BlobNotFoundException => false,
        IOException => true,
        _ => e.InnerException is not null && IsTransient(e.InnerException),
    };
}
