using System.Net;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Deploy;

/// <summary>deploy/kubernetes against the code.</summary>
public sealed class KubernetesTests
{
    private const string Folder = "deploy/kubernetes/";

    private static List<Dictionary<object, object>> Documents { get; } =
        [.. Directory.EnumerateFiles(DeployFiles.Path(Folder), "*.yaml").SelectMany(f => DeployFiles.Documents(Folder + Path.GetFileName(f)))];

    [Fact]
    public void The_kustomization_lists_every_file_but_the_secret()
    {
        var files = Directory.EnumerateFiles(DeployFiles.Path(Folder), "*.yaml").Select(f => Path.GetFileName(f)!).Except(["kustomization.yaml", "secret.example.yaml"]).Order();
        DeployFiles.Yaml(Folder + "kustomization.yaml").List("resources").Cast<string>().Order().ShouldBe(files);
    }

    [Fact]
    public void Every_service_is_deployed_confined_probed_and_stopped_in_time()
    {
        Kind("Deployment").Select(Name).Order().ShouldBe(DeployFiles.Services.Order());
        foreach (var deployment in Kind("Deployment"))
        {
            string name = Name(deployment);
            var pod = deployment.Map("spec").Map("template").Map("spec");
            int.Parse(pod.Text("terminationGracePeriodSeconds")).ShouldBeGreaterThan(45 + 5, name);
            pod.Map("securityContext").Text("runAsNonRoot").ShouldBe("true", name);
            var container = (Dictionary<object, object>)pod.List("containers").Single();
            container.Text("image").ShouldBe("palimpsest/" + name);
            var confined = container.Map("securityContext");
            (confined.Text("allowPrivilegeEscalation"), confined.Text("readOnlyRootFilesystem")).ShouldBe(("false", "true"), name);
            confined.Map("capabilities").List("drop").ShouldBe(["ALL"], name);
            container.Map("resources").Map("limits").ShouldContainKey("memory", name);
            container.Map("readinessProbe").Map("httpGet").Text("path").ShouldBe("/health/ready", name);
            container.Map("livenessProbe").Map("httpGet").Text("path").ShouldBe("/health/live", name);
            container.Map("startupProbe").Map("httpGet").Text("path").ShouldBe("/health/live", "a localizer without its model must not be restarted for ever");
        }
    }

    [Fact]
    public void Every_environment_key_is_one_the_code_reads()
    {
        var keys = Kind("Deployment").SelectMany(d => ((Dictionary<object, object>)d.Map("spec").Map("template").Map("spec").List("containers").Single()).List("env"))
            .Cast<Dictionary<object, object>>().Select(e => (Key: e.Text("name"), Value: e.Text("value")))
            .Concat(Kind("ConfigMap").SelectMany(c => c.Map("data")).Concat(Kind("Secret").SelectMany(s => s.Map("stringData"))).Select(e => (Key: (string)e.Key, Value: (string)e.Value))).ToList();
        keys.Count.ShouldBeGreaterThan(10);
        keys.Select(k => DeployFiles.Misfit(k.Key, k.Value)).OfType<string>().ShouldBeEmpty();
    }

    [Fact]
    public void Secrets_go_to_those_alone_who_need_them()
    {
        foreach (var deployment in Kind("Deployment"))
        {
            string name = Name(deployment);
            var container = (Dictionary<object, object>)deployment.Map("spec").Map("template").Map("spec").List("containers").Single();
            string[] wanted = name switch { "gateway" => ["palimpsest", "palimpsest-internal", "palimpsest-gateway"], "reporting" => ["palimpsest", "palimpsest-internal"], _ => ["palimpsest"] };
            string[] given = [.. container.List("envFrom").Cast<Dictionary<object, object>>().Where(e => e.ContainsKey("secretRef")).Select(e => e.Map("secretRef").Text("name"))];
            given.ShouldBe(wanted, name);
        }

        var held = Kind("Secret").ToDictionary(Name, s => s.Map("stringData").Keys.Cast<string>().ToArray());
        held["palimpsest"].ShouldBe(["RABBITMQ_URL", "REDIS_URL", "POSTGRES_URL"]);
        held["palimpsest-internal"].ShouldBe(["PALIMPSEST_INTERNAL_KEY"]);
        held.Keys.Order().ShouldBe(["palimpsest", "palimpsest-gateway", "palimpsest-internal"]);
    }

    [Fact]
    public void Every_image_has_a_place_to_be_pulled_from() =>
        DeployFiles.Yaml(Folder + "kustomization.yaml").List("images").Cast<Dictionary<object, object>>().Select(i => i.Text("name")).Order()
            .ShouldBe(DeployFiles.Services.Select(s => "palimpsest/" + s).Order());

    [Fact]
    public void Scaling_watches_queues_that_exist_and_each_of_them()
    {
        var scaled = Kind("ScaledObject").ToDictionary(Name, s => ((Dictionary<object, object>)s.Map("spec").List("triggers").Single()).Map("metadata").Text("queueName"));
        scaled.Values.Order().ShouldBe(Queues.All.Order());
        foreach (var (name, queue) in scaled)
        {
            (name is "shallowfake" or "deepfake" ? Queues.Localize(name) : queue).ShouldBe(queue);
        }
    }

    [Fact]
    public void What_goes_out_never_reaches_a_range_that_the_guard_refuses()
    {
        var outside = Kind("NetworkPolicy").Single(p => Name(p) == "outside").Map("spec").List("egress").Cast<Dictionary<object, object>>().Single();
        var closed = new List<IPNetwork>();
        foreach (var block in outside.List("to").Cast<Dictionary<object, object>>().Select(t => t.Map("ipBlock")))
        {
            var open = IPNetwork.Parse(block.Text("cidr"));
            open.ShouldBeOneOf(IPNetwork.Parse("0.0.0.0/0"), IPNetwork.Parse("2000::/3"));
            foreach (var range in block.List("except").Cast<string>().Select(r => IPNetwork.Parse(r)))
            {
                open.Contains(range.BaseAddress).ShouldBeTrue($"{range}: the API server refuses an exception outside its block");
                AddressGuard.Classify(range.BaseAddress).ShouldNotBeNull($"{range}");
                closed.Add(range);
            }
        }

        AddressGuard.Special.Select(s => s.Network).Where(s => !closed.Exists(c => c.Contains(s.BaseAddress) && c.PrefixLength <= s.PrefixLength)).ShouldBeEmpty();
    }

    private static IEnumerable<Dictionary<object, object>> Kind(string kind) => Documents.Where(d => d.Text("kind") == kind);

    private static string Name(Dictionary<object, object> document) => document.Map("metadata").Text("name");
}
