using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Palimpsest.Decoding;
using Palimpsest.Imaging;
using Palimpsest.Imaging.Protocol;
using Palimpsest.Inference;
using Palimpsest.Preprocessing;

namespace Palimpsest.Tests.Imaging;

/// <summary>Real decoder processes and a folder for pictures; shared by the tests of a class.</summary>
public sealed class DecoderFixture : IAsyncLifetime
{
    /// <summary>Where pictures and results of this fixture lie.</summary>
    public string Folder { get; } = Directory.CreateTempSubdirectory("palimpsest-decoder-").FullName;

    /// <summary>One process, test hooks on, short limits.</summary>
    public DecoderPool Pool { get; } = CreatePool(new DecoderOptions { Processes = 1, TestHooks = true, Timeout = TimeSpan.FromSeconds(10), MemoryBytes = 768L << 20 });

    public static DecoderPool CreatePool(DecoderOptions options) => new(Options.Create(options), NullLogger<DecoderPool>.Instance);

    public Task InitializeAsync() => Pool.StartAsync(CancellationToken.None);

    public async Task DisposeAsync()
    {
        await Pool.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    public string Save(byte[] bytes)
    {
        string path = Path.Combine(Folder, Guid.NewGuid().ToString("n"));
        File.WriteAllBytes(path, bytes);
        return path;
    }

    public string NewPath() => Path.Combine(Folder, Guid.NewGuid().ToString("n"));

    /// <summary>Prepares without faces.</summary>
    public async Task<(PreparedLayout? Layout, Refusal? Refusal)> PrepareAsync(byte[] upload) => await Pool.PrepareAsync(Save(upload), NewPath(), CancellationToken.None);

    /// <summary>Prepares through and opens the result.</summary>
    internal async Task<PreparedImage> OpenAsync(byte[] upload, IFaceFinder? faces = null)
    {
        string output = NewPath();
        var (facts, refusal) = await new Preprocessor(Pool, faces ?? new NoFaces()).PrepareAsync(Save(upload), output, CancellationToken.None);
        refusal.ShouldBeNull();
        facts.ShouldNotBeNull();
        return PreparedImage.Open(output);
    }

    private sealed class NoFaces : IFaceFinder
    {
        public IReadOnlyList<Face> Find(ReadOnlySpan<byte> rgb, int width, int height, CancellationToken cancellationToken) => [];
    }
}
