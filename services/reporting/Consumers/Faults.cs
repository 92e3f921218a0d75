using MassTransit;
using Palimpsest.Hosting;

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
        step, detector, fault.Exceptions.Any(IsPassing), $"The {detector ?? step} service failed on this picture ({Innermost(fault.Exceptions.FirstOrDefault())}).",
        VolumeFull: fault.Exceptions.Any(e => Is(e, typeof(BlobStoreFullException).FullName!)));

    private static bool IsPassing(ExceptionInfo exception) => Passing.Any(type => Is(exception, type));

    private static bool Is(ExceptionInfo exception, string type) => exception.ExceptionType.StartsWith(type, StringComparison.Ordinal) || (exception.InnerException is { } inner && Is(inner, type));

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
