using MassTransit;

namespace Palimpsest.Reporting;

/// <summary>Reads a fault: will its reason pass?</summary>
internal static class Faults
{
    // By name: the exception was thrown in another process.
    private static readonly string[] Passing =
    [
        "System.TimeoutException", "System.IO.IOException", "System.Net.Sockets.SocketException", "System.OperationCanceledException", "System.Threading.Tasks.TaskCanceledException",
        "System.Net.Http.HttpRequestException", "Npgsql.", "Microsoft.Data.Sqlite.", "RabbitMQ.Client.", "MassTransit.RabbitMqTransport", "MassTransit.ConnectionException",
        "StackExchange.Redis.", "Palimpsest.Hosting.BlobStoreFullException",
    ];

    /// <summary>The fault as an event of the aggregate.</summary>
    public static StepFailed Explain(string step, string? detector, Fault fault) => new(
        step, detector, fault.Exceptions.Any(IsPassing), $"The {detector ?? step} service failed on this picture ({Innermost(fault.Exceptions.FirstOrDefault())}).");

    private static bool IsPassing(ExceptionInfo exception) =>
        Passing.Any(p => exception.ExceptionType.StartsWith(p, StringComparison.Ordinal)) || (exception.InnerException is { } inner && IsPassing(inner));

    // The type only: messages of foreign exceptions may carry paths and addresses.
    private static string Innermost(ExceptionInfo? exception)
    {
        while (exception?.InnerException is { } inner)
        {
            exception = inner;
        }

        return exception?.ExceptionType.Split('.')[^1] ?? "no reason given";
    }
}
