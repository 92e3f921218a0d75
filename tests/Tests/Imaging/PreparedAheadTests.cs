using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Palimpsest.Hosting;
using Palimpsest.Preprocessing;

namespace Palimpsest.Tests.Imaging;

/// <summary>How far preprocessing may run ahead of the localizers.</summary>
public sealed class PreparedAheadTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-ahead-").FullName;
    private readonly FakeTimeProvider time = new();
    private readonly ApplicationLifetime host = new(NullLogger<ApplicationLifetime>.Instance);
    private readonly PreprocessingOptions options = new() { MaxAhead = 2, MinFreeBytes = 0 };
    private readonly FileBlobStore blobs;
    private readonly PreparedAhead ahead;

    public PreparedAheadTests()
    {
        blobs = new FileBlobStore(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = "" });
        ahead = new PreparedAhead(blobs, Options.Create(options), time, host);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task While_there_is_room_nobody_waits()
    {
        await PrepareAsync("an_1");

        ahead.WaitForRoomAsync("an_3/prepared", default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task The_next_one_waits_until_one_is_worked_off()
    {
        await PrepareAsync("an_1", "an_2");

        var next = ahead.WaitForRoomAsync("an_3/prepared", default);
        time.Advance(TimeSpan.FromSeconds(20));
        next.IsCompleted.ShouldBeFalse();

        await blobs.DeleteAsync(BlobKeys.Prepared("an_2"), default);
        await PassAsync(next);
        ahead.Count.ShouldBe(1);
    }

    [Fact]
    public async Task What_was_worked_off_long_ago_is_noticed_without_a_wait()
    {
        await PrepareAsync("an_1", "an_2");
        await blobs.DeleteAnalysisAsync("an_1", default);

        ahead.WaitForRoomAsync("an_3/prepared", default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task A_message_that_comes_again_neither_counts_again_nor_waits_for_itself()
    {
        await PrepareAsync("an_1", "an_2", "an_2");

        ahead.Count.ShouldBe(2);
        ahead.WaitForRoomAsync("an_2/prepared", default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task While_nothing_is_worked_off_each_waits_so_long_and_goes_on()
    {
        await PrepareAsync("an_1", "an_2");

        var next = ahead.WaitForRoomAsync("an_3/prepared", default);
        time.Advance(TimeSpan.FromSeconds(299));
        next.IsCompleted.ShouldBeFalse();
        await PassAsync(next);
        ahead.Count.ShouldBe(2);
    }

    [Fact]
    public async Task A_process_that_is_to_stop_waits_no_longer()
    {
        await PrepareAsync("an_1", "an_2");

        var next = ahead.WaitForRoomAsync("an_3/prepared", default);
        host.StopApplication();
        await next.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task What_a_killed_process_left_behind_is_forgotten()
    {
        await PrepareAsync("an_1", "an_2");

        time.Advance(TimeSpan.FromHours(8));

        ahead.WaitForRoomAsync("an_3/prepared", default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task On_a_volume_that_is_nearly_full_nothing_more_is_prepared()
    {
        options.MinFreeBytes = long.MaxValue;

        var next = ahead.WaitForRoomAsync("an_3/prepared", default);
        next.IsCompleted.ShouldBeFalse();
        options.MinFreeBytes = 0;
        await PassAsync(next);
    }

    private async Task PrepareAsync(params string[] ids)
    {
        foreach (string id in ids)
        {
            await blobs.PutAsync(BlobKeys.Prepared(id), new MemoryStream([1]), default);
            ahead.Add(BlobKeys.Prepared(id));
        }
    }

    /// <summary>Lets time pass until the task has ended: each look is followed by a wait of its own.</summary>
    private async Task PassAsync(Task task)
    {
        for (int i = 0; i < 100 && !task.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.WhenAny(task, Task.Delay(20));
        }

        task.IsCompletedSuccessfully.ShouldBeTrue();
    }
}
