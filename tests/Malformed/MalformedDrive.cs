using System.Diagnostics;
using System.Net;
using Palimpsest.Contracts;
using Palimpsest.Local.Client;

namespace Palimpsest.Malformed;

/// <summary>Sends broken pictures through a gateway as clients do, waits for the end of each and fetches what an accepted one offers.</summary>
internal sealed class MalformedDrive(PalimpsestClient client, MalformedSummary summary)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    /// <summary>Told of each answer: name and code, null for accepted.</summary>
    public Action<string, string?>? Answered { get; init; }

    public Task RunAsync(IEnumerable<(string Name, Func<byte[]> Bytes)> pictures, int parallel, CancellationToken cancellationToken) => Parallel.ForEachAsync(
        pictures, new ParallelOptions { MaxDegreeOfParallelism = parallel, CancellationToken = cancellationToken },
        async (picture, token) => await SendAsync(picture.Name, picture.Bytes(), token));

    private async Task SendAsync(string name, byte[] bytes, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var (slowest, code, error) = (TimeSpan.Zero, (string?)null, false);
        async Task<T> TimedAsync<T>(Task<T> answer)
        {
            long sent = Stopwatch.GetTimestamp();
            try
            {
                return await answer;
            }
            finally
            {
                slowest = Stopwatch.GetElapsedTime(sent) is var time && time > slowest ? time : slowest;
            }
        }

        try
        {
            var analysis = await TimedAsync(SubmitAsync(bytes, cancellationToken));
            analysis = AnalysisStatuses.IsTerminal(analysis.Status) ? analysis : await client.WaitAsync(analysis.Id, Patience, cancellationToken);
            code = analysis.Status == AnalysisStatuses.Succeeded ? null : analysis.Error?.Code ?? analysis.Status;
            if (code is null)
            {
                await TimedAsync(client.MaskAsync(analysis.Id, cancellationToken));
                await TimedAsync(client.BytesAsync($"/v1/analyses/{analysis.Id}/overlay", cancellationToken));
            }
        }
        catch (PalimpsestProblemException problem)
        {
            (code, error) = ($"{(int)problem.Status} {problem.Code}", problem.Status >= HttpStatusCode.InternalServerError);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or TimeoutException && !cancellationToken.IsCancellationRequested)
        {
            (code, error) = ("no answer: " + e.Message, true);
        }

        summary.Add(code, error, slowest, Stopwatch.GetElapsedTime(start));
        Answered?.Invoke(name, code);
    }

    private async Task<AnalysisDocument> SubmitAsync(byte[] bytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await client.SubmitAsync(new MemoryStream(bytes), "picture", null, cancellationToken);
            }
            catch (PalimpsestProblemException problem) when (problem.Status == HttpStatusCode.TooManyRequests)
            {
                await Task.Delay(500, cancellationToken);
            }
        }
    }
}
