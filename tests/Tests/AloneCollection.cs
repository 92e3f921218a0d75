namespace Palimpsest.Tests;

/// <summary>Tests of what a process has once, such as its meters and what it has warned of already: nothing else runs beside them.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "alone";
}
