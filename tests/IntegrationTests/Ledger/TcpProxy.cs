using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Palimpsest.IntegrationTests.Ledger;

/// <summary>How a connection can be bad without being closed in order.</summary>
internal enum Bend
{
    /// <summary>Every piece arrives late.</summary>
    Latency,

    /// <summary>Connections are reset (RST), new ones too.</summary>
    Reset,

    /// <summary>Connections stay open and carry nothing; afterwards they go on as if nothing had been.</summary>
    Stall,

    /// <summary>What one side says no longer reaches the other, which goes on talking; afterwards the connections are reset.</summary>
    Silence,
}

/// <summary>A TCP relay on loopback that can be told to bend the connections through it.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private const int LongestDelayMs = 250;

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stopping = new();
    private readonly ConcurrentDictionary<Relay, Task> relays = new();
    private readonly int target;
    private readonly Task accepting;
    private volatile Bending? bending;

    /// <param name="name">For the log.</param>
    /// <param name="target">Port on loopback.</param>
    public TcpProxy(string name, int target)
    {
        (Name, this.target) = (name, target);
        listener.Start();
        accepting = AcceptAsync();
    }

    public string Name { get; }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>The same address with this proxy's port.</summary>
    public Uri Before(Uri url) => new UriBuilder(url) { Host = "127.0.0.1", Port = Port }.Uri;

    /// <summary>Bends every connection, those to come too, for a while.</summary>
    public async Task BendAsync(Bend bend, TimeSpan span, int seed)
    {
        using var over = new CancellationTokenSource();
        bending = new Bending(bend, seed % 2 == 0, new Random(seed), over.Token);
        if (bend == Bend.Reset)
        {
            Reset();
        }

        await Task.Delay(span);
        bending = null;
        await over.CancelAsync();
        if (bend == Bend.Silence)
        {
            Reset();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        listener.Stop();
        await accepting;
        Reset();
        await Task.WhenAll(relays.Values);
        stopping.Dispose();
    }

    private void Reset()
    {
        foreach (var relay in relays.Keys)
        {
            relay.Reset();
        }
    }

    private async Task AcceptAsync()
    {
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var relay = new Relay(this, await listener.AcceptSocketAsync(stopping.Token));
                relays[relay] = Task.CompletedTask;
                relays[relay] = RunAsync(relay);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // Stopped, or the client was gone before it was accepted.
            }
        }
    }

    private async Task RunAsync(Relay relay)
    {
        await Task.Yield();
        await relay.RunAsync();
        relays.TryRemove(relay, out _);
    }

    /// <summary>One bend while it lasts.</summary>
    private sealed record Bending(Bend Kind, bool TowardsClient, Random Random, CancellationToken Over)
    {
        /// <summary>Holds a piece back as long as the bend says.</summary>
        public async Task HoldAsync(bool towardsClient)
        {
            if (Kind == Bend.Latency)
            {
                int delay;
                lock (Random)
                {
                    delay = Random.Next(LongestDelayMs);
                }

                await Task.Delay(delay);
            }
            else if (Kind == Bend.Stall || (Kind == Bend.Silence && towardsClient == TowardsClient))
            {
                await Task.Delay(Timeout.Infinite, Over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>One connection: two sockets, two pumps.</summary>
    private sealed class Relay(TcpProxy proxy, Socket client)
    {
        private readonly Socket server = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

        public async Task RunAsync()
        {
            client.NoDelay = true;
            try
            {
                if (proxy.bending is { Kind: Bend.Reset })
                {
                    Reset();
                    return;
                }

                await server.ConnectAsync(IPAddress.Loopback, proxy.target);
                await Task.WhenAll(PumpAsync(client, server, towardsClient: false), PumpAsync(server, client, towardsClient: true));
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // Nobody listens behind us, or either side broke off: the other side hears of it the same way.
                Reset();
            }
            finally
            {
                client.Dispose();
                server.Dispose();
            }
        }

        /// <summary>Closes with RST.</summary>
        public void Reset()
        {
            foreach (var socket in new[] { client, server })
            {
                try
                {
                    socket.LingerState = new LingerOption(true, 0);
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    // It is closed already.
                }

                socket.Dispose();
            }
        }

        private async Task PumpAsync(Socket from, Socket to, bool towardsClient)
        {
            try
            {
                var buffer = new byte[1 << 16];
                while (await from.ReceiveAsync(buffer) is var length and > 0)
                {
                    if (proxy.bending is { } bend)
                    {
                        await bend.HoldAsync(towardsClient);
                    }

                    for (int sent = 0; sent < length;)
                    {
                        sent += await to.SendAsync(buffer.AsMemory(sent, length - sent));
                    }
                }

                to.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                Reset();
            }
        }
    }
}
