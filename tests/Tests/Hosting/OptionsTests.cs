using Microsoft.Extensions.Options;
using Palimpsest.Local;

namespace Palimpsest.Tests.Hosting;

public sealed class OptionsTests
{
    [Theory]
    [InlineData("Faces:MaxTiles", "0")]
    [InlineData("Faces:TileAbove", "0")]
    [InlineData("Faces:MaxFaces", "49")]
    [InlineData("Faces:Accept", "1.5")]
    [InlineData("Limits:RequestsPerSecond", "0")]
    [InlineData("Limits:Tenants:acme:RequestsPerSecond", "0")]
    [InlineData("Limits:Tenants:acme:Burst", "-1")]
    [InlineData("Inference:Threads", "-1")]
    [InlineData("Inference:MaxPixelsInFlight", "0")]
    [InlineData("Inference:MaxDelayMs", "-1")]
    [InlineData("Inference:Niceness", "20")]
    [InlineData("Decoder:Timeout", "00:00:00")]
    [InlineData("Decoder:StartTimeout", "-00:00:01")]
    [InlineData("Decoder:MinSide", "8")]
    public async Task A_value_that_nothing_could_work_with_stops_the_start_and_is_named(string key, string value)
    {
        using var folder = new TestFolder();
        var refused = await Should.ThrowAsync<OptionsValidationException>(async () =>
        {
            await using var app = Embedded.Build(new Dictionary<string, string?> { ["urls"] = "http://127.0.0.1:0", ["PALIMPSEST_DATA"] = folder.Path, ["PALIMPSEST_MODELS"] = folder.Path, [key] = value });
            await app.StartAsync();
        });
        string[] parts = key.Split(':');
        refused.Message.ShouldContain(parts[^1]);
        refused.Message.ShouldContain(parts.Length > 2 ? $"{parts[1]}:{parts[2]}" : refused.OptionsType.Name);
    }
}
