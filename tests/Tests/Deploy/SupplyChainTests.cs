using System.Security.Cryptography;
using System.Text.Json;

namespace Palimpsest.Tests.Deploy;

/// <summary>The licence list and the bill of materials against the lock files.</summary>
public sealed class SupplyChainTests
{
    [Fact]
    public async Task Every_dependency_and_model_has_a_known_licence()
    {
        // Ends with 1, which throws, when one has none.
        string list = await NodeScript.StartAsync(DeployFiles.Path("deploy/licences"), [], NodeScript.Root, "");
        list.Trim().Split('\n')[^1].ShouldEndWith(", 0 without a known licence");
    }

    [Fact]
    public async Task The_bill_of_materials_holds_every_package_of_the_lock_files_and_every_model_with_its_hash()
    {
        using var bom = JsonDocument.Parse(await NodeScript.StartAsync(DeployFiles.Path("deploy/sbom"), [], NodeScript.Root, ""));
        bom.RootElement.GetProperty("bomFormat").GetString().ShouldBe("CycloneDX");
        var components = bom.RootElement.GetProperty("components").EnumerateArray().ToDictionary(c => c.GetProperty("purl").GetString()!);
        string[] locks = [.. new[] { "gateway", "services", "contracts" }.SelectMany(f => Directory.EnumerateFiles(DeployFiles.Path(f), "packages.lock.json", SearchOption.AllDirectories)).Where(f => !f.Contains("node_modules"))];
        locks.Length.ShouldBeGreaterThan(8);
        foreach (var package in locks.SelectMany(Packages).Distinct())
        {
            components.ShouldContainKey(package);
            components[package].GetProperty("hashes")[0].GetProperty("content").GetString()!.Length.ShouldBe(128);
        }

        foreach (string model in Directory.EnumerateFiles(DeployFiles.Path("models"), "*.onnx", SearchOption.AllDirectories))
        {
            using var card = JsonDocument.Parse(File.ReadAllText(Path.ChangeExtension(model, ".json")));
            string name = card.RootElement.GetProperty("name").GetString()!;
            var component = components.Values.Single(c => c.GetProperty("name").GetString() == name);
            component.GetProperty("type").GetString().ShouldBe("machine-learning-model");
            component.GetProperty("hashes")[0].GetProperty("content").GetString().ShouldBe(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(model))));
        }

        components.Values.Where(c => c.GetProperty("licenses").GetArrayLength() == 0).ShouldBeEmpty();
    }

    private static IEnumerable<string> Packages(string file)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(file));
        return [.. document.RootElement.GetProperty("dependencies").EnumerateObject().SelectMany(f => f.Value.EnumerateObject())
            .Where(p => p.Value.GetProperty("type").GetString() != "Project").Select(p => $"pkg:nuget/{p.Name}@{p.Value.GetProperty("resolved").GetString()}")];
    }
}
