using System.Net;
using System.Net.Sockets;
using Palimpsest.Hosting;
using Palimpsest.Reporting.Webhooks;
using Xunit.Abstractions;

namespace Palimpsest.Tests.Security;

/// <summary>
/// Every way we know to spell a forbidden target, tried against the URL check, the connect and the webhook sender. Names are answered by the resolver
/// below; nothing leaves this machine.
/// </summary>
public sealed class SpellingTests(ITestOutputHelper output)
{
    private static readonly Dictionary<string, string[]> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["private.example.com"] = ["10.0.0.5"],
        ["loopback.example.com"] = ["127.0.0.1"],
        ["mixed.example.com"] = ["93.184.215.14", "192.168.1.1"],
        ["mixed6.example.com"] = ["2606:4700::1111", "fd00::1"],
        ["mapped.example.com"] = ["::ffff:10.0.0.1"],
        ["nat64.example.com"] = ["64:ff9b::7f00:1"],
        ["sixtofour.example.com"] = ["2002:a00:1::1"],
        ["teredo.example.com"] = ["2001:0:4136:e378:8000:63bf:3fff:fdd2"],
        ["linklocal.example.com"] = ["fe80::1%1"],
        ["metadata.example.com"] = ["169.254.169.254"],
        ["metadata6.example.com"] = ["fd00:ec2::254"],
        ["zero.example.com"] = ["0.0.0.0"],
        ["broadcast.example.com"] = ["255.255.255.255"],
        ["127.0.0.1.nip.io"] = ["127.0.0.1"],
        ["7f000001.nip.io"] = ["127.0.0.1"],
        ["localtest.me"] = ["127.0.0.1"],
        ["public.example.com"] = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
    };

    private static readonly string[] Forbidden =
    [
        // Loopback and private IPv4 as they are and in decimal, octal, hexadecimal and short forms.
        "http://127.0.0.1/", "https://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0x7f.1/", "http://017700000001/",
        "http://0177.0.0.1/", "http://0177.0.0.01/", "http://00000177.1/", "http://127.0.0.1./", "http://127.255.255.254/", "http://0/", "http://0.0.0.0/", "http://00/", "http://0x0/",
        "http://10.0.0.1/", "http://10.1/", "http://167772161/", "http://0xa.0.0.1/", "http://012.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://0xac100001/", "http://192.168.0.1/",
        "http://192.168.257/", "http://3232235521/", "http://0xc0a80001/", "http://0300.0250.0.1/", "http://100.64.0.1/", "http://198.18.0.1/", "http://192.0.2.1/", "http://203.0.113.9/",
        "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/", "http://4294967295/",
        // Out of range or with junk: must not wrap round to something else.
        "http://256.256.256.256/", "http://127.0.0.1.1/", "http://4294967296/", "http://0x100000000/", "http://127.0.0.0x1g/", "http://1.2.3.4.5.0x7f/", "http://example.127/", "http://foo.0x7f/", "http://127.0.0.09/",
        // Metadata services.
        "http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/", "http://0251.0376.0251.0376/", "http://169.254.43518/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/", "http://metadata.google.internal./", "http://METADATA.google.INTERNAL/", "http://metadata/", "http://instance-data/", "http://168.63.129.16/", "http://100.100.100.200/", "http://192.0.0.192/",
        // IPv6 and what it can carry.
        "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/", "http://[0000:0000:0000:0000:0000:0000:0000:0001]/", "http://[::127.0.0.1]/", "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:127.0.0.1]/", "http://[::ffff:0:127.0.0.1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[64:ff9b:1::a00:1]/",
        "http://[2002:7f00:1::]/", "http://[2002:c0a8:1::1]/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "http://[2001:db8::1]/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%1]/",
        "http://[fe80::1%25lo]/", "http://[::1%25lo]/", "http://[2606:4700::1111%251]/", "http://[fc00::1]/", "http://[fdff::1]/", "http://[fec0::1]/", "http://[ff02::1]/", "http://[2606:4700::5efe:10.0.0.1]/", "http://[100::1]/",
        "http://[3fff::1]/", "http://[5f00::1]/", "http://[::1", "http://::1/", "http://[127.0.0.1]/", "http://[localhost]/",
        // Names that mean this machine or its site.
        "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://localhost.localdomain/", "http://app.localhost/", "http://localhost6/", "http://printer.local/", "http://db.internal/", "http://redis/",
        "http://postgres/", "http://rabbitmq/", "http://host.docker.internal/", "http://kubernetes.default.svc/", "http://router.lan/", "http://nas.home/", "http://nas.home.arpa/", "http://wiki.corp/", "http://x.intranet/",
        // Names that resolve to it, wholly or in part.
        .. Names.Keys.Where(n => n != "public.example.com").Select(n => $"http://{n}/"),
        "https://private.example.com./", "https://MIXED.example.com/hook?x=1",
        // Users, confusing authorities, characters that parsers disagree about.
        "http://user@127.0.0.1/", "http://public.example.com@127.0.0.1/", "http://user:password@public.example.com/", "http://@public.example.com/", "http://:@public.example.com/", "http://public.example.com%40127.0.0.1/",
        "http://127.0.0.1#@public.example.com/", "http://127.0.0.1?@public.example.com/", "http://public.example.com:80@127.0.0.1/", "http://127.0.0.1:80\\@public.example.com/", "http:\\\\127.0.0.1\\", "http:/\\127.0.0.1/",
        "http://127.0.0.1\\.public.example.com/", "http://127.0.0.1%2f.public.example.com/", "http://127.0.0.1%00.public.example.com/", "http://public.example.com\r\nHost: 127.0.0.1/", "http://public.example.com\t/", " http://127.0.0.1/",
        "http://127.0.0.1 .public.example.com/", "http://%31%32%37.0.0.1/", "http://%6c%6f%63%61%6c%68%6f%73%74/", "http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://ⓛocalhost/", "http://ｌｏｃａｌｈｏｓｔ/", "http://127。0。0。1/",
        "http://loc\u00adalhost/", "http:127.0.0.1/", "http:/127.0.0.1/", "http:///127.0.0.1/", "//127.0.0.1/", "127.0.0.1", "/relative", "", "http://", "http://./", "http://../", "http://.localhost/",
        // Other schemes.
        "file:///etc/passwd", "ftp://public.example.com/", "gopher://127.0.0.1:6379/_INFO", "dict://127.0.0.1:11211/", "ldap://127.0.0.1/", "data:text/plain,hi", "javascript:alert(1)", "unix:///var/run/docker.sock", "ws://public.example.com/",
        "jar:http://127.0.0.1!/", "blob:http://127.0.0.1/", "http+unix://%2Fvar%2Frun/", "netdoc:///etc/passwd",
        // Ports of other services, on public hosts, too.
        "http://public.example.com:22/", "http://public.example.com:25/", "http://public.example.com:6379/", "http://public.example.com:5432/", "http://public.example.com:5672/", "http://public.example.com:9200/", "http://public.example.com:0/",
        "http://public.example.com:65536/", "http://public.example.com:-80/", "http://93.184.215.14:11211/", "http://[2606:4700::1111]:3306/", "http://127.0.0.1:80/", "http://127.0.0.1:8080/", "http://[::1]:443/",
    ];

    private static readonly string[] Public =
    [
        "https://public.example.com/hook", "http://public.example.com/", "https://public.example.com:8443/a?b=c", "http://public.example.com:8080/", "https://93.184.215.14/", "https://[2606:4700::1111]/", "HTTPS://Public.Example.COM./x#y",
    ];

    private readonly GuardedHttp http = new(new PlatformSettings { ServiceName = "test", DataDirectory = "", ModelsDirectory = "" }, TimeProvider.System, ResolveAsync);

    [Fact]
    public async Task No_spelling_of_a_forbidden_address_gets_through_for_submissions()
    {
        var through = new List<string>();
        foreach (string url in Forbidden)
        {
            if (await http.CheckAsync(url, default) is null)
            {
                through.Add(url);
            }

            if (!await RefusedInConnectAsync(url))
            {
                through.Add("connect " + url);
            }
        }

        Report(through);
    }

    [Fact]
    public async Task No_spelling_of_a_forbidden_address_gets_through_for_webhooks()
    {
        var sender = new DeliveryAttempt(http, TimeProvider.System);
        var through = new List<string>();
        foreach (string url in Forbidden)
        {
            var outcome = await sender.SendAsync(new Delivery { Id = "wd_1", Url = url, Body = "{}", TenantSecret = WebhookSignature.CreateSecret() }, TimeSpan.FromSeconds(5), default);
            // What only a look-up can tell is tried again.
            if (outcome.Kind is not (AttemptOutcome.Refused or AttemptOutcome.Retry) || outcome.Error?.StartsWith("address_refused", StringComparison.Ordinal) != true)
            {
                through.Add($"{url}: {outcome.Kind} {outcome.Error}");
            }
        }

        Report(through);
    }

    [Fact]
    public async Task The_public_control_is_accepted()
    {
        foreach (string url in Public)
        {
            (await http.CheckAsync(url, default)).ShouldBeNull(url);
        }

        output.WriteLine($"public control: tried {Public.Length}, accepted {Public.Length}");
    }

    [Fact]
    public async Task What_is_wrong_is_said_without_saying_what_a_name_resolves_to()
    {
        (await http.CheckAsync("http://private.example.com/", default))!.ShouldNotContain("10.0.0.5");
        (await http.CheckAsync("http://127.0.0.1/", default))!.ShouldContain("loopback");
        (await http.CheckAsync("http://public.example.com:6379/", default))!.ShouldContain("Port 6379");
    }

    private static Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken) =>
        Names.TryGetValue(host.TrimEnd('.'), out var answers)
            ? Task.FromResult(answers.Select(IPAddress.Parse).ToArray())
            // What a resolver in our own network would say to anything odd: the worst answer.
            : Task.FromResult<IPAddress[]>([IPAddress.Loopback]);

    private async Task<bool> RefusedInConnectAsync(string url)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, url.Length == 0 ? null : url);
            await using var response = await http.SendAsync(request, new GuardedLimits { MaxBytes = 1, Total = TimeSpan.FromSeconds(5) }, default);
            return false;
        }
        catch (Exception e) when (e is AddressRefusedException or UriFormatException or NotSupportedException)
        {
            return true;
        }
        catch (Exception e) when (e is HttpRequestException or SocketException or TimeoutException)
        {
            return false; // it tried
        }
    }

    private void Report(List<string> through)
    {
        Forbidden.Length.ShouldBeGreaterThanOrEqualTo(80);
        Forbidden.Distinct(StringComparer.Ordinal).Count().ShouldBe(Forbidden.Length);
        output.WriteLine($"tried {Forbidden.Length}, let through {through.Count}");
        through.ShouldBeEmpty();
    }
}
