using System.CommandLine;
using Palimpsest.Bench;

// A load generator that waits for threads of its own measures itself.
ThreadPool.SetMinThreads(64, 64);

var output = new Option<string?>("--out") { Description = "JSON to write; always printed." };
var only = new Option<string[]>("--only") { Description = $"Parts to run instead of all but {Parts.OnRequest}: {string.Join(", ", Parts.All.Keys)}.", AllowMultipleArgumentsPerToken = true };
only.AcceptOnlyFromAmong([.. Parts.All.Keys]);
var pictures = new Option<int>("--pictures") { Description = "Pictures of each turn of a comparison, at least; with fast networks as many as take four seconds.", DefaultValueFactory = _ => 16 };
var rounds = new Option<int>("--rounds") { Description = "How often the sides of a comparison take turns; the middle of the ratios counts, and from six on its bounds are known.", DefaultValueFactory = _ => 9 };
var minutes = new Option<double>("--minutes") { Description = "Length of the soak.", DefaultValueFactory = _ => 30 };
var root = new RootCommand("Benchmarks: the platform against the bare engine and against what a team would build instead, on this machine, one after the other in one run.")
{
    output, only, pictures, rounds, minutes,
};
root.Subcommands.Add(MalformedCommand.Create());
root.SetAction((parsed, token) => Benchmark.RunAsync(
    parsed.GetValue(only) is { Length: > 0 } named ? named : [.. Parts.All.Keys.Where(part => part != Parts.OnRequest)],
    parsed.GetValue(pictures), parsed.GetValue(rounds), parsed.GetValue(minutes), parsed.GetValue(output), token));
// Servers that were started are stopped before the process ends, however long they take.
return await root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null }).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromMinutes(2) });
