using System.Net;
using System.Text.Json.Nodes;
using Palimpsest.Local.Client;

namespace Palimpsest.Tests.Local;

public sealed class ClientTests
{
    [Fact]
    public async Task An_address_is_sent_as_it_was_written()
    {
        using var server = new Recorder();
        using var http = new HttpClient(server) { BaseAddress = new Uri("http://palimpsest.example.com") };
        const string Address = "https://images.example.com/a%20b%2Fc.jpg?q=%26x";
        await Should.ThrowAsync<PalimpsestProblemException>(() => new PalimpsestClient(http, null).SubmitUrlAsync(new Uri(Address), new SubmitOptions { CallbackUrl = new Uri(Address) }));
        var body = JsonNode.Parse(server.Body)!;
        body["url"]!.GetValue<string>().ShouldBe(Address);
        body["callback_url"]!.GetValue<string>().ShouldBe(Address);
    }

    private sealed class Recorder : HttpMessageHandler
    {
        public string Body { get; private set; } = "";

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Body = await request.Content!.ReadAsStringAsync(cancellationToken);
            return new HttpResponseMessage(HttpStatusCode.BadRequest) { Content = new StringContent("heard") };
        }
    }
}
