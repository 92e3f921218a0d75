using System.Diagnostics;
using Dapper;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Hosting;

/// <summary>Transactions of the embedded database, which share their commits.</summary>
public sealed class GroupCommitTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private readonly PlatformDatabase database;

    public GroupCommitTests() => database = new PlatformDatabase(new PlatformSettings { ServiceName = "test", DataDirectory = folder, ModelsDirectory = folder });

    public Task InitializeAsync() => database.ExecuteAsync("CREATE TABLE things (id INTEGER PRIMARY KEY, note TEXT)", null, default);

    public async Task DisposeAsync()
    {
        await database.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Of_many_at_once_those_that_fail_leave_nothing_and_the_others_stay()
    {
        await Task.WhenAll(Enumerable.Range(0, 300).Select(async i =>
        {
            var work = InsertAsync(i, fail: i % 3 == 0);
            if (i % 3 == 0)
            {
                (await Should.ThrowAsync<InvalidOperationException>(() => work)).Message.ShouldBe($"no {i}");
            }
            else
            {
                (await work).ShouldBe(i);
            }
        }));
        (await IdsAsync()).ShouldBe(Enumerable.Range(0, 300).Where(i => i % 3 != 0).Select(i => (long)i));
    }

    [Fact]
    public async Task A_broken_statement_fails_alone()
    {
        var gate = new TaskCompletionSource();
        var first = HoldAsync(gate.Task);
        var good = InsertAsync(1, fail: false);
        var broken = database.ExecuteAsync("INSERT INTO nowhere VALUES (1)", null, default);
        var twice = InsertAsync(1, fail: false);
        var other = InsertAsync(2, fail: false);
        gate.SetResult();
        await first;
        (await good).ShouldBe(1);
        await Should.ThrowAsync<Microsoft.Data.Sqlite.SqliteException>(() => broken);
        await Should.ThrowAsync<Microsoft.Data.Sqlite.SqliteException>(() => twice);
        (await other).ShouldBe(2);
        (await IdsAsync()).ShouldBe([1, 2]);
    }

    [Fact]
    public async Task Nobody_hears_of_success_before_it_can_be_read_elsewhere()
    {
        await Task.WhenAll(Enumerable.Range(0, 100).Select(async i =>
        {
            await InsertAsync(i, fail: false);
            (await database.QueryFirstAsync<long>("SELECT count(*) FROM things WHERE id = @i", new { i }, default)).ShouldBe(1);
        }));
    }

    [Fact]
    public async Task Who_gives_up_while_waiting_is_not_written()
    {
        var gate = new TaskCompletionSource();
        var first = HoldAsync(gate.Task);
        using var cancel = new CancellationTokenSource();
        var given = database.InTransactionAsync(t => t.Connection!.ExecuteAsync("INSERT INTO things (id) VALUES (7)", transaction: t), cancel.Token);
        var kept = InsertAsync(8, fail: false);
        await cancel.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => given);
        gate.SetResult();
        await Task.WhenAll(first, kept);
        (await IdsAsync()).ShouldBe([8]);
    }

    [Fact]
    public async Task A_promise_waits_for_the_disk_and_takes_along_what_shares_its_commit()
    {
        const long Full = 2, Normal = 1;
        (await SynchronousAsync(promised: true)).ShouldBe(Full);
        (await SynchronousAsync(promised: false)).ShouldBe(Normal);
        var gate = new TaskCompletionSource();
        var first = HoldAsync(gate.Task);
        Task<long> relaxed = SynchronousAsync(promised: false), promised = SynchronousAsync(promised: true);
        gate.SetResult();
        await first;
        (await relaxed).ShouldBe(Full);
        (await promised).ShouldBe(Full);
    }

    [Fact]
    public async Task A_statement_is_compiled_once_and_takes_other_values_each_time()
    {
        await InsertAsync(1, fail: false);
        await InsertAsync(2, fail: false);
        foreach (long id in new[] { 2L, 1, 3 })
        {
            (await database.QueryAsync<long>("SELECT id FROM things WHERE id = @id", new { id }, default)).ShouldBe(id < 3 ? [id] : []);
        }

        (await database.QueryAsync<long>("SELECT id FROM things WHERE id IN @ids", new { ids = new[] { 1, 2, 3 } }, default)).Count.ShouldBe(2);
        await Should.ThrowAsync<Microsoft.Data.Sqlite.SqliteException>(() => database.QueryAsync<long>("SELECT nothing FROM things", null, default));
    }

    [Fact]
    public async Task Work_runs_in_its_callers_trace()
    {
        var gate = new TaskCompletionSource();
        var first = HoldAsync(gate.Task);
        var seen = Enumerable.Range(0, 10).Select(async i =>
        {
            using var mine = new Activity("mine").Start();
            string? within = await database.InTransactionAsync(_ => Task.FromResult(Activity.Current?.Id), default);
            return within == mine.Id;
        }).ToList();
        gate.SetResult();
        await first;
        (await Task.WhenAll(seen)).ShouldAllBe(same => same);
    }

    private Task<int> InsertAsync(int id, bool fail) => database.InTransactionAsync(
        async t =>
        {
            await t.Connection!.ExecuteAsync("INSERT INTO things (id, note) VALUES (@id, 'x')", new { id }, t);
            await Task.Yield();
            return fail ? throw new InvalidOperationException($"no {id}") : id;
        },
        default);

    private Task<long> SynchronousAsync(bool promised) =>
        database.InTransactionAsync(t => t.Connection!.ExecuteScalarAsync<long>("PRAGMA synchronous", transaction: t), default, promised);

    private Task<bool> HoldAsync(Task until) => database.InTransactionAsync(
        async _ =>
        {
            await until;
            return true;
        },
        default);

    private Task<IReadOnlyList<long>> IdsAsync() => database.QueryAsync<long>("SELECT id FROM things ORDER BY id", null, default);
}
