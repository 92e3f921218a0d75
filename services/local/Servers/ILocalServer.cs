using System.Net.Sockets;

namespace Palimpsest.Local.Servers;

/// <summary>A server of the distributed mode, started from the machine's own packages on loopback, with a data folder of its own.</summary>
internal interface ILocalServer : IAsyncDisposable
{
    /// <summary>For RABBITMQ_URL, REDIS_URL or POSTGRES_URL.</summary>
    Uri Url { get; }

    /// <summary>Starts it (again: same port, same data) and waits until it answers.</summary>
    /// <exception cref="LocalServerException">Not installed, or it did not start; says what to do.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Stops it in order.</summary>
    Task StopAsync();

    /// <summary>Ends it with SIGKILL, as a crash or the kernel would.</summary>
    Task KillAsync();
}

/// <summary>A local server cannot be had.</summary>
internal sealed class LocalServerException(string message) : Exception(message);

/// <summary>What starting each of the servers needs.</summary>
internal static class ServerPrograms
{
    /// <summary>True when we may start programs as another user.</summary>
    public static bool IsRoot => Environment.UserName == "root";

    /// <summary>The first of these paths or globbed folders that exists.</summary>
    public static string Find(string package, string variable, params string[] candidates) =>
        candidates.Append("").FirstOrDefault(File.Exists)
        ?? throw new LocalServerException($"{Path.GetFileName(candidates[0])} is not installed: run 'apt-get install {package}' or set {variable}.");

    /// <summary>Tries until it succeeds, the process ends, or patience does.</summary>
    public static async Task WaitAsync(ChildProcess process, string logPath, Func<Task<bool>> answers, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        try
        {
            while (!await answers())
            {
                if (process.HasExited)
                {
                    await process.DrainAsync();
                    throw new LocalServerException($"{process.Name} ended while starting; the end of {logPath}:\n{Tail(logPath)}");
                }

                await Task.Delay(TimeSpan.FromMilliseconds(100), patience.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LocalServerException($"{process.Name} did not answer within 90 s; the end of {logPath}:\n{Tail(logPath)}");
        }
    }

    /// <summary>True when the port accepts and answers the greeting with something that starts as expected.</summary>
    public static async Task<bool> GreetsAsync(int port, ReadOnlyMemory<byte> greeting, byte expected)
    {
        try
        {
            using var client = new TcpClient();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            await client.ConnectAsync("127.0.0.1", port, patience.Token);
            await client.GetStream().WriteAsync(greeting, patience.Token);
            var first = new byte[1];
            return await client.GetStream().ReadAsync(first, patience.Token) == 1 && first[0] == expected;
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private static string Tail(string path)
    {
        using var reader = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return string.Join('\n', reader.ReadToEnd().Split('\n').TakeLast(8));
    }
}
