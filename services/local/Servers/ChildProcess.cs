using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Palimpsest.Local.Servers;

/// <summary>
/// A process we started and will stop by its own id: output to a file, in a session of its own so that a terminal's Ctrl-C reaches only us and we stop
/// the children in order.
/// </summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    /// <summary>Asks to end; for PostgreSQL "wait for the clients first".</summary>
    public const int Terminate = 15;

    /// <summary>Ctrl-C; for PostgreSQL "end now, in order".</summary>
    public const int Interrupt = 2;

    private readonly Process process;
    private readonly StreamWriter log;
    private readonly Task pumping;

    private ChildProcess(string name, Process process, StreamWriter log)
    {
        (Name, this.process, this.log) = (name, process, log);
        pumping = Task.WhenAll(PumpAsync(process.StandardOutput), PumpAsync(process.StandardError));
    }

    public string Name { get; }

    public int Id => process.Id;

    public bool HasExited => process.HasExited;

    /// <summary>Valid once it has exited.</summary>
    public int ExitCode => process.ExitCode;

    /// <summary>Completes when the process has ended, whoever ended it.</summary>
    public Task WaitForExitAsync(CancellationToken cancellationToken) => process.WaitForExitAsync(cancellationToken);

    /// <summary>After it has exited: waits until its last words are in the log.</summary>
    public Task DrainAsync() => Task.WhenAny(pumping, Task.Delay(TimeSpan.FromSeconds(2)));

    /// <summary>Starts a program.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="command">Program and arguments.</param>
    /// <param name="environment">Added to ours; null removes.</param>
    /// <param name="logPath">Appended to.</param>
    /// <param name="workingDirectory">Null: ours.</param>
    public static ChildProcess Start(
        string name, IReadOnlyList<string> command, IReadOnlyDictionary<string, string?> environment, string logPath, string? workingDirectory = null)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(logPath)!);
        var start = new ProcessStartInfo("setsid")
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            WorkingDirectory = workingDirectory ?? "",
        };
        foreach (string part in command)
        {
            start.ArgumentList.Add(part);
        }

        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        // No buffer of the file's own: what a full disk did not take would be kept in it and thrown at us again on closing.
        var log = new StreamWriter(new FileStream(logPath, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0)) { AutoFlush = true };
        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return new ChildProcess(name, process, log);
    }

    /// <summary>Signals, then SIGKILL when it has not ended in time.</summary>
    public async Task StopAsync(TimeSpan patience, int signal = Terminate)
    {
        if (!process.HasExited)
        {
            _ = Signal(process.Id, signal);
        }

        using var late = new CancellationTokenSource(patience);
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            await KillAsync();
        }

        await FinishLogAsync();
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        if (!process.HasExited)
        {
            process.Kill();
        }

        await process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(10));
        process.Dispose();
    }

    /// <summary>A port on loopback that nobody listened on a moment ago.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task FinishLogAsync()
    {
        // A grandchild may hold the pipe open; its lines are not worth waiting for.
        await DrainAsync();
        lock (log)
        {
            log.Dispose();
        }
    }

    private async Task PumpAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (log)
            {
                if (log.BaseStream is null or { CanWrite: false })
                {
                    return;
                }

                try
                {
                    log.WriteLine(line);
                }
                catch (IOException)
                {
                    // The disk is full: the line is lost. A child whose pipe nobody empties would stand still with the next one.
                }
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int pid, int signal);
}
