using System.CommandLine;
using Palimpsest.Bench;

var output = new Option<string?>("--out") { Description = "JSON to write; always printed." };
var pictures = new Option<int>("--pictures") { Description = "Pictures of each throughput run.", DefaultValueFactory = _ => 60 };
var distributed = new Option<bool>("--distributed") { Description = "Measure the distributed mode too (starts the local servers)." };
var root = new RootCommand("Benchmarks: the platform against the bare engine, on this machine, one after the other in one run.") { output, pictures, distributed };
root.SetAction((parsed, token) => Benchmark.RunAsync(parsed.GetValue(pictures), parsed.GetValue(distributed), parsed.GetValue(output), token));
return await root.Parse(args).InvokeAsync();
