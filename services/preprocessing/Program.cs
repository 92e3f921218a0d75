using Palimpsest.Hosting;
using Palimpsest.Preprocessing;

var platform = PlatformBuilder.Create(args, "preprocessing");
platform.AddPreprocessing();
await platform.Build().RunAsync();
