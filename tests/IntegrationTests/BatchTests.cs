using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Palimpsest.Contracts;

namespace Palimpsest.IntegrationTests;

/// <summary>A batch of mixed files, broken ones among them, on the whole platform in both modes.</summary>
[Collection(PlatformCollection.Name)]
public sealed class BatchTests(TestPlatform platform)
{
    private const int Good = 12;

    [Fact]
    public async Task Every_file_of_a_distributed_batch_has_its_row_and_the_batch_one_webhook() => await DriveAsync(platform.Host["gateway"].Address);

    [Fact]
    public async Task Every_file_of_an_embedded_batch_has_its_row_and_the_batch_one_webhook()
    {
        await using var embedded = await EmbeddedProcess.StartAsync();
        await DriveAsync(embedded.Address);
    }

    private async Task DriveAsync(Uri address)
    {
        using var http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", TestPlatform.Key);
        byte[] whole = TestPictures.Forged(7000);
        // Refused at once, or found broken by the decoder.
        (byte[] Bytes, string Code)[] broken =
        [
            ([], ErrorCodes.ImageEmpty), ("text under another name"u8.ToArray(), ErrorCodes.UnsupportedFormat), (whole[..(whole.Length / 2)], ErrorCodes.ImageTruncated),
            ([.. whole[..600], .. new byte[2_000]], ErrorCodes.ImageCorrupt), (TestPictures.Forged(7001, 8, 8), ErrorCodes.ImageTooSmall), ([.. "RIFF\u0010\0\0\0WEBPVP8 "u8, .. new byte[60]], ErrorCodes.ImageCorrupt),
        ];
        using var form = new MultipartFormDataContent { { new StringContent(new Uri(platform.Receiver.Webhook, "?batch=" + address.Port).ToString()), "callback_url" } };
        for (int i = 0; i < Good + broken.Length; i++)
        {
            bool bad = i % 3 == 1;
            form.Add(new ByteArrayContent(bad ? broken[i / 3].Bytes : TestPictures.Forged(7100 + i, 128, 96)), "image", bad ? $"broken{i / 3}.jpg" : $"{i}.jpg");
        }

        using var accepted = await http.PostAsync("/v1/batches", form);
        accepted.StatusCode.ShouldBe(HttpStatusCode.Accepted);
        var batch = JsonSerializer.Deserialize<BatchDocument>(await accepted.Content.ReadAsStringAsync(), PlatformJson.Options)!;
        string self = "/v1/batches/" + batch.Id;
        for (int i = 0; i < 600 && batch.Status != "completed"; i++)
        {
            await Task.Delay(100);
            batch = JsonSerializer.Deserialize<BatchDocument>(await http.GetStringAsync(self), PlatformJson.Options)!;
        }

        batch.Status.ShouldBe("completed");
        batch.Counts.Succeeded.ShouldBe(Good);
        (batch.Counts.Failed + batch.Counts.Rejected).ShouldBe(broken.Length);
        string[] rows = (await http.GetStringAsync(self + "/results.csv")).TrimEnd().Split("\r\n");
        rows.Length.ShouldBe(1 + Good + broken.Length);
        for (int i = 0; i < broken.Length; i++)
        {
            rows.Single(r => r.Contains($",broken{i}.jpg,", StringComparison.Ordinal)).ShouldContain($",{broken[i].Code},");
        }

        rows.Count(r => r.Contains(",succeeded,", StringComparison.Ordinal)).ShouldBe(Good);
        Delivery[] Notices() => [.. platform.Receiver.Deliveries.Where(d => d.Body.Contains(batch.Id, StringComparison.Ordinal))];
        for (int i = 0; i < 100 && Notices().Length == 0; i++)
        {
            await Task.Delay(100);
        }

        // A second one would have come with the first: both would have been due in the same moment.
        await Task.Delay(1_000);
        Notices().Single().Body.ShouldContain("\"batch.completed\"");
    }
}
