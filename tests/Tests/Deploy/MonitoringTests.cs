using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Deploy;

/// <summary>Alert rules, dashboard and runbook against what <c>/metrics</c> prints.</summary>
public sealed partial class MonitoringTests : IAsyncLifetime
{
    // Made by Prometheus itself.
    private static readonly string[] Prometheus = ["up"];

    // Words of the query language and of Grafana, not metrics.
    private static readonly string[] Language = ["sum", "rate", "increase", "histogram_quantile", "max", "by", "and", "or", "unless", "offset", "le", "service"];

    private readonly string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
    private WebApplication app = null!;
    private string printed = "";

    public async Task InitializeAsync()
    {
        var platform = PlatformBuilder.Create(["--urls", "http://127.0.0.1:0"], "test", new Dictionary<string, string?> { ["PALIMPSEST_DATA"] = folder });
        platform.Host.Logging.ClearProviders();
        app = platform.Build();
        await app.StartAsync();
        Touch();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        await client.GetStringAsync("/health/live");
        printed = await client.GetStringAsync("/metrics");
    }

    public async Task DisposeAsync()
    {
        await app.StopAsync();
        await app.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Every_metric_of_the_alert_rules_is_printed()
    {
        var expressions = Rules().Select(r => r.Text("expr")).ToList();
        expressions.Count.ShouldBeGreaterThan(10);
        Unknown(expressions).ShouldBeEmpty();
    }

    [Fact]
    public void Every_metric_of_the_dashboard_is_printed()
    {
        using var board = JsonDocument.Parse(File.ReadAllText(DeployFiles.Path("deploy/grafana/palimpsest.json")));
        var expressions = board.RootElement.GetProperty("panels").EnumerateArray().SelectMany(p => p.GetProperty("targets").EnumerateArray()).Select(t => t.GetProperty("expr").GetString()!).ToList();
        expressions.Count.ShouldBeGreaterThan(10);
        Unknown(expressions).ShouldBeEmpty();
    }

    [Fact]
    public void A_name_that_nobody_prints_is_found_out() =>
        Unknown(["sum(rate(palimpsest_no_such_thing_total[5m]))"]).ShouldBe(["palimpsest_no_such_thing_total"]);

    [Fact]
    public void Labels_of_http_metrics_are_those_that_are_printed()
    {
        // Hosts of other tests share this process' meters: an address without a route among them prints none.
        printed.Split('\n').Where(l => l.StartsWith("http_server_request_duration_seconds_count{", StringComparison.Ordinal))
            .ShouldContain(line => new[] { "http_route", "http_request_method", "http_response_status_code" }.All(label => line.Contains(label + "=\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_alert_has_a_section_of_at_most_ten_lines_in_the_runbook_and_every_section_an_alert()
    {
        string[] sections = File.ReadAllText(DeployFiles.Path("docs/runbook.md")).Split("\n## ")[1..];
        var alerts = Rules().ToList();
        sections.Select(s => s.Split('\n')[0]).ShouldBe(alerts.Select(a => a.Text("alert")), ignoreOrder: true);
        foreach (string section in sections)
        {
            section.TrimEnd().Split('\n').Skip(1).Count(l => l.Length > 0).ShouldBeInRange(1, 10, section.Split('\n')[0]);
        }

        foreach (var alert in alerts)
        {
            alert.Map("annotations").Text("runbook").ShouldBe("docs/runbook.md#" + alert.Text("alert").ToLowerInvariant());
            alert.Map("labels").Text("severity").ShouldBeOneOf("page", "ticket");
        }
    }

    [Fact]
    public void Prometheus_scrapes_every_service()
    {
        var job = (Dictionary<object, object>)DeployFiles.Yaml("deploy/prometheus/prometheus.yml").List("scrape_configs").Single();
        job.Text("metrics_path").ShouldBe("/metrics");
        ((Dictionary<object, object>)job.List("dns_sd_configs").Single()).List("names").ShouldBe(DeployFiles.Services, ignoreOrder: true);
    }

    private static IEnumerable<Dictionary<object, object>> Rules() =>
        DeployFiles.Yaml("deploy/prometheus/alerts.yml").List("groups").Cast<Dictionary<object, object>>().SelectMany(g => g.List("rules")).Cast<Dictionary<object, object>>();

    private List<string> Unknown(IEnumerable<string> expressions)
    {
        var names = printed.Split('\n').Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split('{', ' ')[0]).ToHashSet();
        return [.. expressions.SelectMany(Metrics).Distinct().Where(n => !names.Contains(n) && !Prometheus.Contains(n))];
    }

    // What is left of an expression without label matchers, groupings, ranges, strings and numbers.
    private static IEnumerable<string> Metrics(string expression)
    {
        string bare = Noise().Replace(expression, " ");
        return Word().Matches(bare).Select(m => m.Value).Where(w => !Language.Contains(w));
    }

    // Instruments live in static fields and print once they have a value: nought is one.
    private static void Touch()
    {
        int touched = 0;
        foreach (var field in DeployFiles.Assemblies().SelectMany(a => a.GetTypes()).Where(t => !t.ContainsGenericParameters)
            .SelectMany(t => t.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)).Where(f => typeof(Instrument).IsAssignableFrom(f.FieldType)))
        {
            touched++;
            switch (field.GetValue(null))
            {
                case Counter<long> counter:
                    counter.Add(0);
                    break;
                case Counter<double> counter:
                    counter.Add(0);
                    break;
                case UpDownCounter<long> counter:
                    counter.Add(0);
                    break;
                case Histogram<double> histogram:
                    histogram.Record(0);
                    break;
                case Histogram<int> histogram:
                    histogram.Record(0);
                    break;
                case Histogram<long> histogram:
                    histogram.Record(0);
                    break;
                case Gauge<long> gauge:
                    gauge.Record(0);
                    break;
                case Gauge<double> gauge:
                    gauge.Record(0);
                    break;
                case Instrument { IsObservable: true }:
                    break;
                case { } other:
                    throw new NotSupportedException($"{field.DeclaringType}.{field.Name} is a {other.GetType()}: teach this test to give it a value.");
            }
        }

        touched.ShouldBeGreaterThan(10);
    }

    [GeneratedRegex("""\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)|"[^"]*"|\b[0-9.]+[smhd]?\b""")]
    private static partial Regex Noise();

    [GeneratedRegex("[a-zA-Z_:][a-zA-Z0-9_:]*")]
    private static partial Regex Word();
}
