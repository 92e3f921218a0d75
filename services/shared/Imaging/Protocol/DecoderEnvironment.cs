namespace Palimpsest.Imaging.Protocol;

/// <summary>The whole environment of a decoder process; it gets nothing of its parent's, so no secret can leak through a decoder.</summary>
public static class DecoderEnvironment
{
    /// <summary>RLIMIT_DATA, bytes.</summary>
    public const string MemoryBytes = "PALIMPSEST_DECODER_MEMORY_BYTES";

    /// <summary>Added to the process's nice value, 0..19.</summary>
    public const string Niceness = "PALIMPSEST_DECODER_NICENESS";

    /// <summary>"1" lets marked pictures misbehave; for tests only.</summary>
    public const string TestHooks = "PALIMPSEST_DECODER_TEST_HOOKS";

    /// <summary>The environment to start a decoder with.</summary>
    /// <param name="memoryBytes">Private memory of the process, native and managed.</param>
    /// <param name="managedHeapBytes">The part of it that the managed heap may take.</param>
    /// <param name="testHooks">For tests only.</param>
    /// <param name="niceness">0..19: how far others come first.</param>
    public static IReadOnlyDictionary<string, string> Create(long memoryBytes, long managedHeapBytes, bool testHooks, int niceness = 0)
    {
        var environment = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            [MemoryBytes] = memoryBytes.ToString(System.Globalization.CultureInfo.InvariantCulture),
            [Niceness] = niceness.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["DOTNET_GCHeapHardLimit"] = "0x" + managedHeapBytes.ToString("x", System.Globalization.CultureInfo.InvariantCulture),
            ["DOTNET_gcServer"] = "0",
            ["DOTNET_gcConcurrent"] = "0",
            // No diagnostics socket, no crash dump: both would hold or reach the client's picture.
            ["DOTNET_EnableDiagnostics"] = "0",
            ["DOTNET_TieredPGO"] = "0",
            ["MALLOC_ARENA_MAX"] = "2",
            ["TMPDIR"] = Path.GetTempPath(),
        };
        if (testHooks)
        {
            environment[TestHooks] = "1";
        }

        return environment;
    }

    /// <summary>True for a name that <see cref="Create"/> sets.</summary>
    public static bool IsKnown(string name) => Create(0, 0, testHooks: true).ContainsKey(name);
}
