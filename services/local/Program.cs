using Palimpsest.Local.Commands;

return await CommandLine.RunAsync(args);
