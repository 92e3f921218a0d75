using Palimpsest.Decoder;

return DecoderProcess.Run(Console.OpenStandardInput(), Console.OpenStandardOutput());
