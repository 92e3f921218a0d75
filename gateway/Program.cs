using Palimpsest.Gateway;
using Palimpsest.Hosting;

var platform = PlatformBuilder.Create(args, "gateway");
platform.AddGateway();
var app = platform.Build();
app.MapGateway();
await app.RunAsync();
