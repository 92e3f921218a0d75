using System.Collections.Concurrent;
using System.Data;
using System.Data.Common;
using System.Diagnostics;

namespace Palimpsest.Hosting;

/// <summary>
/// One writer whose commits are shared: a commit costs a flush to disk, and all work that came while the writer was busy goes into the next one together.
/// Each piece runs under its own savepoint, so that one that fails undoes itself alone, and nobody hears of success before the flush.
/// </summary>
internal sealed class GroupCommit(Func<CancellationToken, Task<StatementConnection>> open) : IAsyncDisposable
{
    private const int Largest = 64;
    private const string Savepoint = "piece";

    private readonly SemaphoreSlim writer = new(1, 1);
    private readonly ConcurrentQueue<Piece> waiting = new();
    private StatementConnection? connection;
    private bool flushing = true; // as connections are opened

    /// <summary>Runs work in a transaction; returns when it is committed, throws what the work threw.</summary>
    /// <param name="work">Reads and writes.</param>
    /// <param name="promised">True: on disk when this returns. False: with the next flush; until then only a power cut can undo it.</param>
    /// <param name="cancellationToken">Gives up while the work has not begun.</param>
    public async Task<T> RunAsync<T>(Func<DbTransaction, Task<T>> work, bool promised, CancellationToken cancellationToken)
    {
        var piece = new Piece<T>(work) { Promised = promised };
        waiting.Enqueue(piece);
        try
        {
            await writer.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (piece.TryTake())
        {
            // Nobody has begun it, and now nobody will.
            throw;
        }
        catch (OperationCanceledException)
        {
            return await piece.Done;
        }

        try
        {
            // Whoever had the writer before may have done it already.
            while (!piece.Done.IsCompleted)
            {
                await WriteAsync();
            }
        }
        finally
        {
            writer.Release();
        }

        return await piece.Done;
    }

    public async ValueTask DisposeAsync()
    {
        writer.Dispose();
        if (connection is not null)
        {
            await connection.DisposeAsync();
        }
    }

    private async Task WriteAsync()
    {
        var group = new List<Piece>();
        while (group.Count < Largest && waiting.TryDequeue(out var next))
        {
            if (next.TryTake())
            {
                group.Add(next);
            }
        }

        try
        {
            // Not anybody's token: one client that hangs up must not undo the others.
            connection ??= await open(CancellationToken.None);
            await FlushingAsync(connection, group.Exists(p => p.Promised));
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, CancellationToken.None);
            foreach (var piece in group)
            {
                await RunAsync(piece, transaction, alone: group.Count == 1);
            }

            if (group.Exists(p => p.Failure is null))
            {
                await transaction.CommitAsync(CancellationToken.None);
            }
        }
        catch (Exception e)
        {
            // The transaction as a whole is lost: no disk space, no database.
            group.ForEach(p => p.Failure ??= e);
            if (connection is not null)
            {
                await connection.DisposeAsync();
                (connection, flushing) = (null, true);
            }
        }

        group.ForEach(p => p.Finish());
    }

    /// <summary>Whether the next commits wait for the disk. Written to the log in order, a commit that does takes all before it along.</summary>
    private async Task FlushingAsync(StatementConnection writing, bool flush)
    {
        if (flush != flushing)
        {
            await using var command = writing.CreateCommand();
            command.CommandText = flush ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL";
            await command.ExecuteNonQueryAsync();
            flushing = flush;
        }
    }

    private static async Task RunAsync(Piece piece, DbTransaction transaction, bool alone)
    {
        if (!alone)
        {
            await transaction.SaveAsync(Savepoint);
        }

        try
        {
            await piece.RunAsync(transaction);
        }
        catch (Exception e)
        {
            piece.Failure = e;
            if (!alone)
            {
                await transaction.RollbackAsync(Savepoint);
            }
        }

        if (!alone)
        {
            await transaction.ReleaseAsync(Savepoint);
        }
    }

    private abstract class Piece
    {
        // The work sees its caller's trace and other ambient values, whoever carries it out.
        private readonly ExecutionContext? context = ExecutionContext.Capture();
        private int taken;

        public Exception? Failure { get; set; }

        public bool Promised { get; init; }

        /// <summary>True for the first who asks: the writer that runs it, or the caller that gives up.</summary>
        public bool TryTake() => Interlocked.Exchange(ref taken, 1) == 0;

        public Task RunAsync(DbTransaction transaction)
        {
            if (context is null)
            {
                return WorkAsync(transaction);
            }

            Task? running = null;
            ExecutionContext.Run(context, _ => running = WorkAsync(transaction), null);
            return running ?? throw new UnreachableException();
        }

        public abstract void Finish();

        protected abstract Task WorkAsync(DbTransaction transaction);
    }

    private sealed class Piece<T>(Func<DbTransaction, Task<T>> work) : Piece
    {
        private readonly TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? result;

        public Task<T> Done => done.Task;

        public override void Finish()
        {
            if (Failure is OperationCanceledException canceled)
            {
                done.SetCanceled(canceled.CancellationToken);
            }
            else if (Failure is { } failure)
            {
                done.SetException(failure);
            }
            else
            {
                done.SetResult(result!);
            }
        }

        protected override async Task WorkAsync(DbTransaction transaction) => result = await work(transaction);
    }
}
