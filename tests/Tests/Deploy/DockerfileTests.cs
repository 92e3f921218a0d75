using System.Diagnostics;
using System.Text.RegularExpressions;
using Palimpsest.Hosting;

namespace Palimpsest.Tests.Deploy;

/// <summary>deploy/Dockerfile against the repository and against a real publish.</summary>
public sealed partial class DockerfileTests
{
    private static readonly string Text = File.ReadAllText(DeployFiles.Path("deploy/Dockerfile"));

    [Fact]
    public void What_is_copied_from_the_context_exists_and_is_let_through()
    {
        var allowed = File.ReadLines(DeployFiles.Path(".dockerignore")).Where(l => l.StartsWith('!')).Select(l => l[1..]).ToList();
        var sources = ContextCopy().Matches(Text).SelectMany(m => m.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..^1]).ToList();
        sources.Count.ShouldBeGreaterThan(8);
        foreach (string source in sources)
        {
            (File.Exists(DeployFiles.Path(source)) || Directory.Exists(DeployFiles.Path(source))).ShouldBeTrue(source);
            allowed.Any(a => source == a || source.StartsWith(a + "/", StringComparison.Ordinal)).ShouldBeTrue($".dockerignore keeps {source} out");
        }
    }

    [Fact]
    public void Stages_that_are_copied_from_exist()
    {
        var stages = Regex.Matches(Text, @"^FROM \S+ AS (\S+)$", RegexOptions.Multiline).Select(m => m.Groups[1].Value).ToList();
        foreach (Match from in Regex.Matches(Text, @"--from=(\S+)"))
        {
            stages.ShouldContain(from.Groups[1].Value);
        }
    }

    [Fact]
    public void Every_service_has_the_folder_and_the_one_project_that_the_build_looks_for()
    {
        foreach (string service in DeployFiles.Services)
        {
            string folder = DeployFiles.Path("services/" + service);
            folder = Directory.Exists(folder) ? folder : DeployFiles.Path(service);
            string project = Directory.EnumerateFiles(folder, "*.csproj").Single();
            File.ReadAllText(project).ShouldContain("Microsoft.NET.Sdk.Web", customMessage: service);
            File.ReadAllText(project).ShouldNotContain("<AssemblyName>", customMessage: "the starter would have another name than the project");
            File.Exists(Path.Combine(folder, "packages.lock.json")).ShouldBeTrue("restore is in locked mode");
            var compose = DeployFiles.Yaml("docker-compose.yml").Map("services").Map(service).Map("build");
            compose.Map("args").Text("SERVICE").ShouldBe(service);
            compose.Text("dockerfile").ShouldBe("deploy/Dockerfile");
        }
    }

    [Fact]
    public void Images_run_as_another_user_than_root_and_check_their_health_without_a_shell()
    {
        foreach (string stage in new[] { "service", "gpu" })
        {
            string body = Text[Text.IndexOf($" AS {stage}\n", StringComparison.Ordinal)..];
            int end = body.IndexOf("\nFROM ", StringComparison.Ordinal);
            body = end < 0 ? body : body[..end];
            body.ShouldContain("\nUSER 1654\n");
            body.ShouldContain($"CMD [\"/app/service\", \"{HealthProbe.Argument}\"]");
            body.ShouldContain("\nENTRYPOINT [\"/app/service\"]");
            body.ShouldContain("ASPNETCORE_HTTP_PORTS=8080");
            foreach (Match key in Regex.Matches(body, @"^(?:ENV| {3}) (\w+)=(\S+)", RegexOptions.Multiline))
            {
                DeployFiles.Misfit(key.Groups[1].Value, key.Groups[2].Value).ShouldBeNull();
            }
        }
    }

    [Fact]
    public async Task A_real_publish_holds_the_starter_and_it_runs_under_the_name_of_the_entrypoint()
    {
        string configuration = new DirectoryInfo(AppContext.BaseDirectory).Name;
        string folder = Directory.CreateTempSubdirectory("palimpsest-").FullName;
        try
        {
            await NodeScript.StartAsync(
                "dotnet", ["publish", "gateway/Palimpsest.Gateway.csproj", "--no-build", "-c", char.ToUpperInvariant(configuration[0]) + configuration[1..], "-o", folder, "-v", "q", "--nologo"], NodeScript.Root, "");
            File.Exists(Path.Combine(folder, "wwwroot", "index.html")).ShouldBeTrue("the console travels with the gateway");
            File.Exists(Path.Combine(folder, "models", "calibration.json")).ShouldBeTrue("the images set PALIMPSEST_MODELS to this folder");
            File.Copy(Path.Combine(folder, "Palimpsest.Gateway"), Path.Combine(folder, "service"));
            using var process = Process.Start(new ProcessStartInfo(Path.Combine(folder, "service"), [HealthProbe.Argument])
            {
                RedirectStandardError = true, Environment = { ["ASPNETCORE_HTTP_PORTS"] = "9", ["ASPNETCORE_URLS"] = null },
            })!;
            string error = await process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync();
            error.ShouldContain("http://127.0.0.1:9/health/ready");
            process.ExitCode.ShouldBe(1);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [GeneratedRegex(@"^COPY (?!--)(.+)$", RegexOptions.Multiline)]
    private static partial Regex ContextCopy();
}
