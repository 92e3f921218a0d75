using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

public sealed class FileBlobStoreTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly FileBlobStore store;

    public FileBlobStoreTests() => store = new FileBlobStore(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder });

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task What_was_put_is_read_back()
    {
        (await store.PutAsync("an_abc/upload", new MemoryStream([1, 2, 3]), default)).ShouldBe(3);
        using var local = await store.OpenLocalAsync("an_abc/upload", default);
        (await File.ReadAllBytesAsync(local.Path)).ShouldBe([1, 2, 3]);
        (await store.ExistsAsync("an_abc/other", default)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_stream_that_comes_in_pieces_is_stored_whole()
    {
        byte[] content = new byte[300_001];
        new Random(1).NextBytes(content);
        (await store.PutAsync("an_abc/upload", new PieceStream(content, 7_777), default)).ShouldBe(content.Length);
        using var local = await store.OpenLocalAsync("an_abc/upload", default);
        (await File.ReadAllBytesAsync(local.Path)).AsSpan().SequenceEqual(content).ShouldBeTrue();
    }

    [Fact]
    public async Task A_stream_that_breaks_leaves_nothing_behind()
    {
        await Should.ThrowAsync<IOException>(() => store.PutAsync("an_abc/upload", new BrokenStream(), default));
        (await store.ExistsAsync("an_abc/upload", default)).ShouldBeFalse();
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task Erasing_one_analysis_leaves_its_copy()
    {
        await store.PutAsync("an_first/map", new MemoryStream([7]), default);
        await store.CopyAsync("an_first/map", "an_second/map", default);
        await store.DeleteAnalysisAsync("an_first", default);
        await Should.ThrowAsync<BlobNotFoundException>(() => store.OpenReadAsync("an_first/map", default));
        using var copy = await store.OpenLocalAsync("an_second/map", default);
        (await File.ReadAllBytesAsync(copy.Path)).ShouldBe([7]);
    }

    [Fact]
    public async Task Erasing_does_not_stumble_over_a_step_that_is_still_writing()
    {
        using var end = new CancellationTokenSource();
        int removed = 0;
        var writers = Enumerable.Range(0, 2).Select(w => Task.Run(async () =>
        {
            for (int i = 0; !end.IsCancellationRequested; i++)
            {
                string path = store.CreateTemporaryPath();
                await File.WriteAllBytesAsync(path, [1]);
                try
                {
                    await store.PutFileAsync($"an_busy/b{w}-{i % 500}", path, default);
                }
                catch (IOException)
                {
                    // Its folder went away before the rename: the step is repeated.
                    File.Delete(path);
                }
            }
        })).ToList();
        while (removed < 20)
        {
            removed += Directory.Exists(Path.Combine(folder, "blobs", "sy", "an_busy")) ? 1 : 0;
            await store.DeleteAnalysisAsync("an_busy", default);
        }

        await end.CancelAsync();
        await Task.WhenAll(writers);
        await store.DeleteAnalysisAsync("an_busy", default);
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ShouldBeEmpty();
    }

    [Fact]
    public async Task Every_analysis_is_in_one_share_of_the_store()
    {
        string[] ids = [.. Enumerable.Range(0, 256).Select(i => $"an_{i:x2}")];
        foreach (string id in ids)
        {
            await store.PutAsync(id + "/upload", new MemoryStream([1]), default);
        }

        var later = TimeProvider.System.GetUtcNow().AddMinutes(1);
        var shares = new List<List<string>>();
        for (int share = 0; share < 24; share++)
        {
            shares.Add(await store.AnalysesOlderThanAsync(later, share, 24, default).ToListAsync());
        }

        shares.SelectMany(s => s).Order().ShouldBe(ids);
        shares.ShouldAllBe(s => s.Count >= 8 && s.Count <= 13);
        (await store.AnalysesOlderThanAsync(later, 0, 1, default).ToListAsync()).Order().ShouldBe(ids);
    }

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData("an_1/../../x")]
    [InlineData("an_1/a/b")]
    [InlineData("an_1/")]
    [InlineData("an_1")]
    [InlineData("an_1/a b")]
    [InlineData("an_1/..")]
    public async Task A_key_that_is_not_an_analysis_and_a_name_is_refused(string key) =>
        await Should.ThrowAsync<ArgumentException>(() => store.PutAsync(key, Stream.Null, default));

    private sealed class PieceStream(byte[] content, int most) : MemoryStream(content)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            return await base.ReadAsync(buffer[..Math.Min(most, buffer.Length)], cancellationToken);
        }
    }

    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new IOException("the client went away");
    }
}
