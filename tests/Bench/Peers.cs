using System.Globalization;
using System.Text.Json.Nodes;
using Palimpsest.Inference;
using Palimpsest.Local.Servers;

namespace Palimpsest.Bench;

/// <summary>
/// The same networks on the same pictures by the platform and by what a team would build instead, each giving score and full-size mask to a few clients at a time. They take turns;
/// only one has work.
/// </summary>
internal static class Peers
{
    private static readonly int Clients = 2 * Environment.ProcessorCount;

    /// <summary>A turn lasts at least this long with the fastest of them.</summary>
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(4);

    /// <summary>The broker, database and cache of the distributed mode are given or can be started.</summary>
    public static bool ServersInstalled =>
        Given("RABBITMQ_URL", RabbitMqServer.IsInstalled) && Given("REDIS_URL", RedisServer.IsInstalled) && Given("POSTGRES_URL", PostgresServer.IsInstalled);

    public static async Task RunAsync(Bench bench, CancellationToken cancellationToken)
    {
        var peers = new JsonObject { ["node"] = null, ["flask"] = null };
        bench.Result["peers"] = peers;
        foreach (double milliseconds in new[] { 0, 10.0, 50 })
        {
            string models = milliseconds == 0 ? ReferenceNetworks.Shipped : ReferenceNetworks.Create(bench.NewFolder("models"), milliseconds, Pictures.Megapixel);
            var row = await CompareAsync(bench, models, cancellationToken);
            if (milliseconds == 0)
            {
                peers["node"] = new JsonObject { ["images_per_s"] = row["node_images_per_s"]?.DeepClone() };
                peers["flask"] = new JsonObject { ["images_per_s"] = row["flask_images_per_s"]?.DeepClone() };
                peers["flask_own_server"] = new JsonObject { ["images_per_s"] = row["flask_own_server_images_per_s"]?.DeepClone() };
            }

            peers[milliseconds == 0 ? "shipped_models" : $"{milliseconds:0}_ms_network"] = row;
        }
    }

    private static async Task<JsonObject> CompareAsync(Bench bench, string models, CancellationToken cancellationToken)
    {
        await using var platform = await Running.EmbeddedAsync(
            bench.NewFolder("platform"), new Dictionary<string, string?>(StringComparer.Ordinal) { ["PALIMPSEST_MODELS"] = models }, cancellationToken);
        await using var redis = new RedisServer(bench.NewFolder("redis"));
        await redis.StartAsync(cancellationToken);
        await using var node = await Peer.NodeAsync(bench.NewFolder("node"), models, redis.Url, cancellationToken);
        await using var flask = await Peer.FlaskAsync(bench.NewFolder("flask"), models, gunicorn: true, cancellationToken);
        await using var own = await Peer.FlaskAsync(bench.NewFolder("flask-own"), models, gunicorn: false, cancellationToken);
        var sides = new (string Name, Func<byte[][], Task<double>> Run)[]
        {
            ("platform", pictures => platform.Load.WithMasksAsync(pictures, Clients, cancellationToken)),
            ("node", pictures => node.RunAsync(pictures, Clients, cancellationToken)),
            ("flask", pictures => flask.RunAsync(pictures, Clients, cancellationToken)),
            ("flask_own_server", pictures => own.RunAsync(pictures, Clients, cancellationToken)),
        };
        await platform.WarmUntilCompiledAsync(cancellationToken);
        double speed = 0;
        foreach (var (_, run) in sides)
        {
            await run(Pictures.Megapixel.Next(24));
            speed = Math.Max(speed, await run(Pictures.Megapixel.Next(24)));
        }

        int each = Math.Max(bench.Pictures, (int)(speed * Turn.TotalSeconds)) + (2 * Clients);
        var speeds = sides.ToDictionary(s => s.Name, _ => new List<double>(), StringComparer.Ordinal);
        for (int i = 0; i < bench.Rounds; i++)
        {
            // Another one begins each time.
            foreach (var (name, run) in sides.Skip(i % sides.Length).Concat(sides.Take(i % sides.Length)))
            {
                speeds[name].Add(await run(Pictures.Megapixel.Next(each)));
            }

            Bench.Say($"  {string.Join(", ", speeds.Select(s => $"{s.Key} {s.Value[^1]:0.00}/s"))}");
        }

        var row = new JsonObject { ["pictures"] = Throughput.Size(Pictures.Megapixel) };
        foreach (var (name, _) in sides)
        {
            row[$"{name}_images_per_s"] = Bench.Number(Percentiles.Median(speeds[name]));
            if (name != "platform")
            {
                var ratios = speeds["platform"].Zip(speeds[name], (ours, theirs) => ours / theirs).ToList();
                row[$"platform_over_{name}"] = Bench.Number(Percentiles.Median(ratios));
                row[$"platform_over_{name}_bounds_95"] = Bench.Bounds(ratios);
            }
        }

        return row;
    }

    private static bool Given(string variable, bool installed) => installed || Environment.GetEnvironmentVariable(variable) is { Length: > 0 };

    /// <summary>A peer that runs.</summary>
    private sealed class Peer(ChildProcess process, Uri address) : IAsyncDisposable
    {
        private readonly HttpClient http = new() { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };

        public static Task<Peer> NodeAsync(string data, string models, Uri redis, CancellationToken cancellationToken)
        {
            string folder = Path.Combine(Root, "node");
            return Directory.Exists(Path.Combine(folder, "node_modules"))
                ? StartAsync("node peer", ["node", Path.Combine(folder, "server.js")], folder, data, models, new() { ["REDIS_URL"] = redis.ToString() }, cancellationToken)
                : throw new LocalServerException($"The Node peer needs its packages: (cd {folder} && npm install)");
        }

        /// <summary>Under gunicorn, a process a core with one thread for each run: the best of its kind. Or as the seed starts it: one process, Flask's own server, the engine's own threads.</summary>
        public static Task<Peer> FlaskAsync(string data, string models, bool gunicorn, CancellationToken cancellationToken)
        {
            // Debian's Python: python3-flask, python3-opencv and gunicorn are its packages.
            string folder = Path.Combine(Root, "flask"), workers = Workers;
            string engine = Directory.EnumerateFiles(AppContext.BaseDirectory, "libonnxruntime.so", SearchOption.AllDirectories).First();
            var environment = new Dictionary<string, string?>(StringComparer.Ordinal) { ["ORT_LIBRARY"] = engine, ["THREADS"] = gunicorn ? "1" : "0" };
            int port = ChildProcess.FreePort();
            if (gunicorn && !File.Exists("/usr/bin/gunicorn"))
            {
                throw new LocalServerException("The Flask peer needs gunicorn (Debian: apt-get install gunicorn python3-flask python3-opencv).");
            }

            string[] command = gunicorn
                ? ["/usr/bin/gunicorn", "--workers", workers, "--bind", $"127.0.0.1:{port}", "--timeout", "300", "app:app"]
                : ["/usr/bin/python3", "app.py"];
            return StartAsync("Flask peer", command, folder, data, models, environment, cancellationToken, port);
        }

        public Task<double> RunAsync(byte[][] pictures, int clients, CancellationToken cancellationToken) => Load.SteadyAsync(
            pictures.Length, clients,
            async (i, token) =>
            {
                using var content = new ByteArrayContent(pictures[i]);
                content.Headers.ContentType = new("image/jpeg");
                using var answer = await http.PostAsync(new Uri(address, "/analyses"), content, token);
                answer.EnsureSuccessStatusCode();
                var result = JsonNode.Parse(await answer.Content.ReadAsStringAsync(token))!;
                if (result["score"]!.GetValue<double>() is not (>= 0 and <= 1))
                {
                    throw new InvalidOperationException($"A peer's score is {result["score"]}.");
                }

                CheckMask(await http.GetByteArrayAsync(new Uri(address, $"/masks/{result["id"]}.png"), token), Pictures.Megapixel);
            },
            TimeProvider.System, cancellationToken);

        public async ValueTask DisposeAsync()
        {
            http.Dispose();
            await process.DisposeAsync();
        }

        private static string Workers => Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture);

        private static string Root
        {
            get
            {
                var folder = new DirectoryInfo(AppContext.BaseDirectory);
                while (folder is not null && !Directory.Exists(Path.Combine(folder.FullName, "tests", "Bench", "peers")))
                {
                    folder = folder.Parent;
                }

                return Path.Combine(folder?.FullName ?? throw new LocalServerException("The peers' sources are not above this program."), "tests", "Bench", "peers");
            }
        }

        /// <summary>A mask that is not there, or not full-size, would be cheap.</summary>
        private static void CheckMask(byte[] png, Pictures pictures)
        {
            int width = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), height = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20));
            if (width != pictures.Width || height != pictures.Height)
            {
                throw new InvalidOperationException($"A peer's mask is {width}x{height}.");
            }
        }

        private static async Task<Peer> StartAsync(
            string name, IReadOnlyList<string> command, string folder, string data, string models, Dictionary<string, string?> environment, CancellationToken cancellationToken, int port = 0)
        {
            port = port > 0 ? port : ChildProcess.FreePort();
            environment["PORT"] = port.ToString(CultureInfo.InvariantCulture);
            environment["DATA"] = data;
            environment["MODELS"] = models;
            environment["WORKERS"] = Workers;
            environment["FACES"] = Path.Combine(ModelCatalog.DefaultFolder, BlazeFaceFinder.BackFile);
            foreach (string threads in new[] { "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS" })
            {
                environment[threads] = "1";
            }

            string log = Path.Combine(data, "peer.log");
            environment["ORT_DISABLE_TELEMETRY"] = "1"; // ours does not report to the engine's maker either
            var process = ChildProcess.Start(name, command, environment, log, folder);
            try
            {
                await ServerPrograms.WaitAsync(process, log, () => AnswersAsync(port), cancellationToken);
                return new Peer(process, new Uri($"http://127.0.0.1:{port}"));
            }
            catch
            {
                await process.DisposeAsync();
                throw;
            }
        }

        private static async Task<bool> AnswersAsync(int port)
        {
            using var client = new System.Net.Sockets.TcpClient();
            try
            {
                await client.ConnectAsync("127.0.0.1", port);
                return true;
            }
            catch (System.Net.Sockets.SocketException)
            {
                return false;
            }
        }
    }
}
