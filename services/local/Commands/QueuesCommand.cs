using System.CommandLine;
using System.CommandLine.Parsing;
using System.Data.Common;
using Palimpsest.Contracts;
using Palimpsest.Hosting;
using Palimpsest.Local.Broker;
using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace Palimpsest.Local.Commands;

/// <summary><c>queues</c>: what waits in the broker, and what lies in error and dead-letter queues: why, and back to work with it.</summary>
internal static class QueuesCommand
{
    public static Command Create()
    {
        var record = new Option<string?>("--database") { Description = "postgres://… (default: POSTGRES_URL): explain then says how each analysis stands.", Recursive = true };
        var url = new Option<string?>("--url") { Description = "amqp://… (default: RABBITMQ_URL).", Recursive = true };
        var command = new Command("queues", "Shows waiting messages and consumers of each queue; exit 3 when messages lie in an error or dead-letter queue.") { url, record };
        command.SetAction((parsed, token) => RunAsync(parsed, url, (broker, stop) => ListAsync(broker, stop), token));

        var queue = new Argument<string>("QUEUE") { Description = $"E.g. {Queues.Preprocess}_error or {Queues.DeadLetter}." };
        var max = new Option<int>("--max") { Description = "Messages at most.", DefaultValueFactory = _ => 20 };
        var explain = new Command("explain", "Says of each message what it is, which analysis it belongs to and why it lies there; the messages stay.") { queue, max };
        explain.SetAction((parsed, token) => RunAsync(parsed, url, (broker, stop) => ExplainAsync(broker, parsed.GetValue(queue)!, parsed.GetValue(max), parsed.GetValue(record), stop), token));

        var id = new Option<string?>("--id") { Description = "Only this message." };
        var replay = new Command("replay", "Puts messages back into the queue they failed in. Work that has been done or given up meanwhile is not repeated by it.") { queue, max, id };
        replay.SetAction((parsed, token) => RunAsync(parsed, url, (broker, stop) => ReplayAsync(broker, parsed.GetValue(queue)!, parsed.GetValue(max), parsed.GetValue(id), stop), token));
        command.Subcommands.Add(explain);
        command.Subcommands.Add(replay);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Option<string?> url, Func<IConnection, CancellationToken, Task<int>> work, CancellationToken cancellationToken)
    {
        if ((parsed.GetValue(url) ?? Environment.GetEnvironmentVariable("RABBITMQ_URL")) is not { Length: > 0 } address)
        {
            await Console.Error.WriteLineAsync("Set RABBITMQ_URL or --url; embedded mode has no queues outside its process.");
            return CommandLine.BadUsage;
        }

        try
        {
            var factory = new ConnectionFactory { Uri = new Uri(address) };
            await using var connection = await factory.CreateConnectionAsync(cancellationToken);
            return await work(connection, cancellationToken);
        }
        catch (Exception e) when (e is UriFormatException or BrokerUnreachableException)
        {
            await Console.Error.WriteLineAsync($"The broker does not answer: {e.Message}");
            return 1;
        }
        catch (OperationInterruptedException e) when (e.ShutdownReason?.ReplyCode == 404)
        {
            await Console.Error.WriteLineAsync("There is no such queue; nothing ever failed there. './palimpsest queues' lists what there is.");
            return 1;
        }
    }

    private static async Task<int> ListAsync(IConnection connection, CancellationToken cancellationToken)
    {
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
            catch (OperationInterruptedException)
            {
                if (Queues.All.Contains(queue))
                {
                    Console.WriteLine($"{queue,-32} {"missing",8}");
                }
            }
        }

        return stuck > 0 ? ScanCommand.SomeFailed : 0;
    }

    private static async Task<int> ExplainAsync(IConnection connection, string queue, int max, string? record, CancellationToken cancellationToken)
    {
        await using var failed = await FailedQueue.OpenAsync(connection, queue, cancellationToken);
        var seen = new List<FailedMessage>();
        await failed.ForEachAsync(max, message =>
        {
            seen.Add(message);
            return queue; // back to where it lay
        }, cancellationToken);
        var states = await StatesAsync(record ?? Environment.GetEnvironmentVariable("POSTGRES_URL"), [.. seen.Select(m => m.AnalysisId).Distinct()], cancellationToken);
        foreach (var message in seen)
        {
            Console.WriteLine(message.Describe());
            if (states is not null)
            {
                Console.WriteLine("  state: " + (states.TryGetValue(message.AnalysisId, out string? status) ? Standing(status) : "there is no such analysis; a replay takes the message away and does nothing"));
            }
        }

        int count = seen.Count;
        Console.WriteLine(count == 0 ? $"{queue} is empty." : $"{count} shown; './palimpsest queues replay {queue}' puts them back to work.");
        return 0;
    }

    private static string Standing(string status) => AnalysisStatuses.IsTerminal(status)
        ? $"the analysis has ended ({status}); a replay takes the message away and changes nothing" : $"the analysis is open ({status}); a replay goes on with it";

    /// <summary>How analyses stand; null without a database to ask.</summary>
    private static async Task<Dictionary<string, string>?> StatesAsync(string? address, string[] ids, CancellationToken cancellationToken)
    {
        if (string.IsNullOrEmpty(address))
        {
            return null;
        }

        await using var database = new PlatformDatabase(new PlatformSettings { ServiceName = "queues", DataDirectory = "", ModelsDirectory = "", Postgres = new Uri(address) });
        try
        {
            return (await database.QueryAsync<(string Id, string Status)>("SELECT id, status FROM analyses WHERE id = ANY(@ids)", new { ids }, cancellationToken))
                .ToDictionary(a => a.Id, a => a.Status, StringComparer.Ordinal);
        }
        catch (DbException e)
        {
            await Console.Error.WriteLineAsync($"The database does not answer: {e.Message}");
            return null;
        }
    }

    private static async Task<int> ReplayAsync(IConnection connection, string queue, int max, string? id, CancellationToken cancellationToken)
    {
        await using var failed = await FailedQueue.OpenAsync(connection, queue, cancellationToken);
        var (replayed, left) = (0, 0);
        await failed.ForEachAsync(max, message =>
        {
            if ((id is not null && message.Id != id) || message.Home is not { } home)
            {
                left++;
                return queue;
            }

            replayed++;
            Console.WriteLine($"{message.Id} {message.Type} {message.AnalysisId} -> {home}");
            return home;
        }, cancellationToken);
        Console.WriteLine($"{replayed} replayed, {left} left.");
        return id is not null && replayed == 0 ? 1 : 0;
    }
}
