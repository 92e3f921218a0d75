using Palimpsest.Hosting;
using Palimpsest.Shallowfake;

var app = PlatformBuilder.Create(args, "shallowfake").AddShallowfake().Build();
await app.RunAsync();
