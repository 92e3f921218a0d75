using Palimpsest.Hosting;
using Palimpsest.Reporting;

var platform = PlatformBuilder.Create(args, "reporting");
platform.AddReporting();
var app = platform.Build();
app.MapReporting();
await app.RunAsync();
