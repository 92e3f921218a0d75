using System.Diagnostics;
using System.Net;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;
using Palimpsest.Tests;

namespace Palimpsest.IntegrationTests;

/// <summary>
/// A disk that takes half a second for each flush and some milliseconds for each read and write of the data folder: blobs, database and decoders get slower, and that is all. The
/// platform runs with the settings it is shipped with; the disk is slow by a library put before libc's, which the test compiles.
/// </summary>
public sealed class SlowDiskTests
{
    private const int Clients = 4, Each = 5;

    private const string Library = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <time.h>
        #include <unistd.h>
        static int slow(int fd) {
            const char *folder = getenv("SLOW_FOLDER");
            char link[64], path[1024];
            if (!folder) return 0;
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t n = readlink(link, path, sizeof path - 1);
            if (n <= 0) return 0;
            path[n] = 0;
            return strncmp(path, folder, strlen(folder)) == 0;
        }
        static void wait_ms(int fd, long ms) {
            struct timespec t = { ms / 1000, ms % 1000 * 1000000L };
            if (slow(fd)) nanosleep(&t, NULL);
        }
        #define SLOWED(result, name, pass, ms, ...) \
            result name(__VA_ARGS__) { static result (*next)(__VA_ARGS__); if (!next) next = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name); wait_ms(fd, ms); return next pass; }
        SLOWED(int, fsync, (fd), 500, int fd)
        SLOWED(int, fdatasync, (fd), 500, int fd)
        SLOWED(ssize_t, pwrite, (fd, b, n, o), 5, int fd, const void *b, size_t n, off_t o)
        SLOWED(ssize_t, pwrite64, (fd, b, n, o), 5, int fd, const void *b, size_t n, off_t o)
        SLOWED(ssize_t, pread, (fd, b, n, o), 2, int fd, void *b, size_t n, off_t o)
        SLOWED(ssize_t, pread64, (fd, b, n, o), 2, int fd, void *b, size_t n, off_t o)
        """;

    [SkippableFact]
    public async Task A_slow_disk_costs_time_and_nothing_else()
    {
        using var folder = new TestFolder("palimpsest-slow-");
        string library = folder["slow.so"];
        Skip.IfNot(await CompileAsync(folder.Path, library), "There is no C compiler here.");
        await using var platform = await EmbeddedProcess.StartAsync(asShipped: true, slowedBy: library);
        byte[][] pictures = [.. Enumerable.Range(0, Clients * Each).Select(i => TestPictures.Forged(2500 + i))];
        long start = Stopwatch.GetTimestamp();
        var slowest = TimeSpan.Zero;
        var accepted = new string[pictures.Length];
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            for (int i = client; i < pictures.Length; i += Clients)
            {
                long asked = Stopwatch.GetTimestamp();
                accepted[i] = await SubmitAsync(platform.Client, pictures[i]);
                var took = Stopwatch.GetElapsedTime(asked);
                slowest = took > slowest ? took : slowest;
            }
        }));

        foreach (string id in accepted)
        {
            var ended = await platform.Client.WaitAsync(id, TimeSpan.FromMinutes(3));
            ended.Status.ShouldBe(AnalysisStatuses.Succeeded, ended.Error?.Detail);
            ended.Detectors.ShouldContain(d => d.State == DetectorStates.Completed);
            ended.Detectors.ShouldNotContain(d => d.State == DetectorStates.Timeout || d.State == DetectorStates.Error);
        }

        accepted.Distinct().Count().ShouldBe(pictures.Length);
        Console.WriteLine($"slow disk: {pictures.Length} pictures in {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s, slowest answer to a submission {slowest.TotalSeconds:0.0} s");
        slowest.ShouldBeGreaterThan(TimeSpan.FromSeconds(1), "two flushes stand before a 202: the disk was not slow");
    }

    private static async Task<string> SubmitAsync(PalimpsestClient client, byte[] picture)
    {
        var options = new SubmitOptions { IdempotencyKey = Guid.NewGuid().ToString("n") };
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return (await client.SubmitAsync(new MemoryStream(picture), "p.jpg", options)).Id;
            }
            catch (PalimpsestProblemException problem) when (attempt < 20)
            {
                // Anything else that is no 202 is a failure.
                problem.Status.ShouldBe(HttpStatusCode.ServiceUnavailable, problem.Message);
                await Task.Delay(500);
            }
        }
    }

    private static async Task<bool> CompileAsync(string folder, string library)
    {
        string source = Path.Combine(folder, "slow.c");
        await File.WriteAllTextAsync(source, Library);
        try
        {
            using var compiler = Process.Start(new ProcessStartInfo("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]))!;
            await compiler.WaitForExitAsync();
            return compiler.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
