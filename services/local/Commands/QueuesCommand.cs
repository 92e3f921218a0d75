using System.CommandLine;
using Palimpsest.Hosting;
using RabbitMQ.Client;

namespace Palimpsest.Local.Commands;

/// <summary><c>queues</c>: what waits in the broker, dead letters and errors included.</summary>
internal static class QueuesCommand
{
    public static Command Create()
    {
        var url = new Option<string?>("--url") { Description = "amqp://… (default: RABBITMQ_URL)." };
        var command = new Command("queues", "Shows waiting messages and consumers of each queue; exit 3 when messages lie in an error or dead-letter queue.") { url };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if ((parsed.GetValue(url) ?? Environment.GetEnvironmentVariable("RABBITMQ_URL")) is not { Length: > 0 } address)
            {
                await Console.Error.WriteLineAsync("Set RABBITMQ_URL or --url; embedded mode has no queues outside its process.");
                return CommandLine.BadUsage;
            }

            try
            {
                return await ShowAsync(new Uri(address), cancellationToken);
            }
            catch (Exception e) when (e is UriFormatException or RabbitMQ.Client.Exceptions.BrokerUnreachableException)
            {
                await Console.Error.WriteLineAsync($"The broker does not answer: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    private static async Task<int> ShowAsync(Uri address, CancellationToken cancellationToken)
    {
        var factory = new ConnectionFactory { Uri = address };
        await using var connection = await factory.CreateConnectionAsync(cancellationToken);
        uint stuck = 0;
        Console.WriteLine($"{"queue",-32} {"ready",8} {"consumers",10}");
        foreach (string queue in Queues.All.SelectMany(q => (string[])[q, q + "_error", q + "_skipped"]).Append(Queues.DeadLetter))
        {
            try
            {
                // A passive declaration of a missing queue closes its channel: one channel each.
                await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
                var state = await channel.QueueDeclarePassiveAsync(queue, cancellationToken);
                Console.WriteLine($"{queue,-32} {state.MessageCount,8} {state.ConsumerCount,10}");
                stuck += Queues.All.Contains(queue) ? 0 : state.MessageCount;
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
            {
                if (Queues.All.Contains(queue))
                {
                    Console.WriteLine($"{queue,-32} {"missing",8}");
                }
            }
        }

        return stuck > 0 ? ScanCommand.SomeFailed : 0;
    }
}
