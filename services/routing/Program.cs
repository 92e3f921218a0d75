using Palimpsest.Hosting;
using Palimpsest.Routing;

var app = PlatformBuilder.Create(args, "routing").AddRouting().Build();
await app.RunAsync();
