using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace Palimpsest.Tests.Deploy;

/// <summary>The files of deploy/ and the configuration keys that the code reads, side by side.</summary>
internal static partial class DeployFiles
{
    /// <summary>Our services in the order of the picture.</summary>
    public static readonly string[] Services = ["gateway", "preprocessing", "routing", "shallowfake", "deepfake", "reporting"];

    // Read by .NET and the OpenTelemetry SDK, not by us.
    private static readonly string[] FrameworkKeys = ["ASPNETCORE_HTTP_PORTS", "DOTNET_EnableDiagnostics", "OTEL_RESOURCE_ATTRIBUTES", "LD_LIBRARY_PATH"];

    private static readonly Lazy<(IReadOnlySet<string> Literals, IReadOnlyDictionary<string, Type> Sections)> Code = new(ReadCode);

    public static string Path(string relative) => System.IO.Path.Combine(NodeScript.Root, relative);

    /// <summary>A YAML document with its merges applied.</summary>
    public static Dictionary<object, object> Yaml(string relative) => Documents(relative).Single();

    /// <summary>All documents of a YAML file.</summary>
    public static List<Dictionary<object, object>> Documents(string relative)
    {
        using var reader = new StreamReader(Path(relative));
        var parser = new MergingParser(new Parser(reader));
        var deserializer = new DeserializerBuilder().Build();
        parser.Consume<YamlDotNet.Core.Events.StreamStart>();
        var documents = new List<Dictionary<object, object>>();
        while (parser.Accept<YamlDotNet.Core.Events.DocumentStart>(out _))
        {
            documents.Add(deserializer.Deserialize<Dictionary<object, object>>(parser));
        }

        return documents;
    }

    public static Dictionary<object, object> Map(this Dictionary<object, object> node, string key) => (Dictionary<object, object>)node[key];

    public static List<object> List(this Dictionary<object, object> node, string key) => (List<object>)node[key];

    public static string Text(this Dictionary<object, object> node, string key) => (string)node[key];

    /// <summary><c>${NAME:-default}</c> as with an empty environment.</summary>
    public static string Interpolate(string value) => Variable().Replace(value, m => m.Groups[1].Value);

    /// <summary>Why a variable means nothing to our code, or its value is not one the options accept; null: it does and it is.</summary>
    public static string? Misfit(string key, string value)
    {
        if (FrameworkKeys.Contains(key))
        {
            return null;
        }

        if (!key.Contains("__"))
        {
            return Code.Value.Literals.Contains(key) ? null : $"{key}: nothing in the code reads it";
        }

        string[] parts = key.Split("__");
        if (!Code.Value.Sections.TryGetValue(parts[0], out var type))
        {
            return $"{key}: there is no options section {parts[0]}";
        }

        var property = type.GetProperty(parts[1]);
        if (property?.SetMethod is null || parts.Length != 2)
        {
            return $"{key}: {type.Name} has no such property";
        }

        try
        {
            object converted = TypeDescriptor.GetConverter(property.PropertyType).ConvertFromInvariantString(value)!;
            return property.GetCustomAttributes<ValidationAttribute>().All(a => a.IsValid(converted)) ? null : $"{key}: {value} is out of range";
        }
        catch (Exception e) when (e is FormatException or ArgumentException or NotSupportedException)
        {
            return $"{key}: {value} is not a {property.PropertyType.Name}";
        }
    }

    /// <summary>All assemblies of the platform.</summary>
    public static IReadOnlyList<Assembly> Assemblies() =>
        [.. Directory.EnumerateFiles(AppContext.BaseDirectory, "Palimpsest.*.dll").Select(f => System.IO.Path.GetFileNameWithoutExtension(f)).Where(n => !n.Contains("Tests", StringComparison.Ordinal)).Select(Assembly.Load)];

    private static (IReadOnlySet<string> Literals, IReadOnlyDictionary<string, Type> Sections) ReadCode()
    {
        var types = Assemblies().SelectMany(a => a.GetTypes()).ToList();
        var literals = new HashSet<string>();
        var sections = new Dictionary<string, Type>();
        foreach (string file in new[] { "gateway", "services" }.SelectMany(f => Directory.EnumerateFiles(Path(f), "*.cs", SearchOption.AllDirectories)).Where(f => !f.Contains("node_modules")))
        {
            string code = File.ReadAllText(file);
            literals.UnionWith(KeyLiteral().Matches(code).Select(m => m.Groups[1].Value));
            foreach (Match match in OptionsCall().Matches(code))
            {
                var type = types.Single(t => t.Name == match.Groups[1].Value);
                // A literal; or the constant Section of the options class, or of the class that makes the call.
                string argument = match.Groups[2].Value;
                string section = argument.StartsWith('"')
                    ? argument.Trim('"')
                    : Constant(type) ?? Constant(types.First(t => t.Name == System.IO.Path.GetFileNameWithoutExtension(file)))!;
                sections[section] = type;
            }
        }

        return (literals, sections);
    }

    private static string? Constant(Type type) => type.GetField("Section", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)?.GetRawConstantValue() as string;

    [GeneratedRegex("""\$\{\w+:-([^}]*)\}""")]
    private static partial Regex Variable();

    [GeneratedRegex("\"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\"")]
    private static partial Regex KeyLiteral();

    [GeneratedRegex("""AddOptions<(\w+)>\(([\w."]+)\)""")]
    private static partial Regex OptionsCall();
}
