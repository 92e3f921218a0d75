using Palimpsest.Deepfake;
using Palimpsest.Hosting;

var app = PlatformBuilder.Create(args, "deepfake").AddDeepfake().Build();
await app.RunAsync();
