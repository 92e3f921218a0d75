using RabbitMQ.Client;

namespace Palimpsest.Local.Broker;

/// <summary>
/// Goes through a queue of failed messages. Each one is published anew, confirmed, and only then taken: a death in between doubles a message and never loses one.
/// (Handing messages back unread would count as a delivery, and the broker drops those that were delivered too often.)
/// </summary>
internal sealed class FailedQueue : IAsyncDisposable
{
    private readonly IChannel channel;
    private readonly string queue;
    private readonly uint count;

    private FailedQueue(IChannel channel, string queue, uint count) => (this.channel, this.queue, this.count) = (channel, queue, count);

    /// <summary>Opens it.</summary>
    /// <exception cref="RabbitMQ.Client.Exceptions.OperationInterruptedException">404: there is no such queue.</exception>
    public static async Task<FailedQueue> OpenAsync(IConnection connection, string queue, CancellationToken cancellationToken)
    {
        var channel = await connection.CreateChannelAsync(new CreateChannelOptions(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), cancellationToken);
        return new FailedQueue(channel, queue, (await channel.QueueDeclarePassiveAsync(queue, cancellationToken)).MessageCount);
    }

    /// <summary>Moves each message that lay here at the start.</summary>
    /// <param name="max">Messages at most.</param>
    /// <param name="next">The queue it shall go to; this one to stay.</param>
    /// <param name="cancellationToken">Stops between two messages.</param>
    public async Task ForEachAsync(int max, Func<FailedMessage, string> next, CancellationToken cancellationToken)
    {
        for (long left = Math.Min(max, count); left > 0 && await channel.BasicGetAsync(queue, autoAck: false, cancellationToken) is { } got; left--)
        {
            var message = new FailedMessage(queue, got.BasicProperties, got.Body);
            string target = next(message);
            // Mandatory: a queue that is gone returns the message as an error instead of swallowing it.
            await channel.BasicPublishAsync("", target, mandatory: true, message.Fresh(keepAccount: target == queue), got.Body, cancellationToken);
            await channel.BasicAckAsync(got.DeliveryTag, multiple: false, cancellationToken);
        }
    }

    public ValueTask DisposeAsync() => channel.DisposeAsync();
}
