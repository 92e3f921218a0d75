using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.IntegrationTests;

/// <summary>A data volume that is really full (ENOSPC from the kernel): refused with 503, nothing half accepted, and well again by itself once there is space.</summary>
public sealed class FullVolumeTests
{
    private const int Megabytes = 48;

    [SkippableFact]
    public async Task A_full_volume_refuses_and_recovers()
    {
        Skip.IfNot(await CanMountAsync(), "This environment allows no mount namespaces.");
        await using var platform = await EmbeddedProcess.StartAsync(volumeMegabytes: Megabytes);
        var kept = new List<string>();
        for (int i = 0; i < 3; i++)
        {
            kept.Add((await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(8000 + i)), "p.jpg")).Id);
        }

        // Those three are under way when the space goes.
        string filler = Path.Combine(platform.MountedData, "filler");
        Fill(filler);
        int refused = 0;
        for (int i = 0; i < 10; i++)
        {
            try
            {
                kept.Add((await platform.Client.SubmitAsync(new MemoryStream(TestPictures.Forged(8100 + i, 800, 600)), "p.jpg")).Id);
            }
            catch (PalimpsestProblemException problem)
            {
                problem.Status.ShouldBe(HttpStatusCode.ServiceUnavailable, problem.Message);
                problem.Code.ShouldBe(ErrorCodes.Unavailable);
                refused++;
            }
        }

        refused.ShouldBeGreaterThan(5);
        File.Delete(filler);
        kept.Add((await TestPlatform.SubmitAsync(platform.Client, TestPictures.Forged(8200), new SubmitOptions())).Id);
        foreach (string id in kept)
        {
            var ended = await platform.Client.WaitAsync(id, TimeSpan.FromSeconds(90));
            ended.Status.ShouldBe(AnalysisStatuses.Succeeded, ended.Error?.Detail);
        }

        // The record knows those and no others, and so does the store.
        (await ListedAsync(platform.Address)).Order().ShouldBe(kept.Order());
        string blobs = Path.Combine(platform.MountedData, "blobs");
        Directory.EnumerateDirectories(blobs).Where(d => !d.EndsWith(".tmp", StringComparison.Ordinal)).SelectMany(Directory.EnumerateDirectories).Select(Path.GetFileName).Order()
            .ShouldBe(kept.Order());
        Directory.EnumerateFiles(Path.Combine(blobs, ".tmp")).ShouldBeEmpty();
    }

    private static void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        byte[] block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private static async Task<List<string>> ListedAsync(Uri address)
    {
        using var http = new HttpClient { BaseAddress = address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestPlatform.Key);
        using var list = JsonDocument.Parse(await http.GetStringAsync("/v1/analyses?limit=100"));
        var items = list.RootElement.EnumerateObject().First(p => p.Value.ValueKind == JsonValueKind.Array).Value;
        return [.. items.EnumerateArray().Select(a => a.GetProperty("id").GetString()!)];
    }

    private static async Task<bool> CanMountAsync()
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("unshare", ["--mount", "--map-root-user", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]) { RedirectStandardError = true })!;
            await process.WaitForExitAsync();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
