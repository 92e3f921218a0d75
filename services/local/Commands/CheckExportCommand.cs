using System.CommandLine;
using Palimpsest.Inference;

namespace Palimpsest.Local.Commands;

/// <summary><c>check-export</c>: does a network give here what it gave in training?</summary>
internal static class CheckExportCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("DIR") { Description = "Reference cases as training/export_onnx.py writes them (check.json and .npy files)." };
        var model = new Option<string?>("--model") { Description = "The ONNX file (default: the only one in DIR)." };
        var write = new Option<string?>("--write") { Description = "Folder for our outputs." };
        var command = new Command("check-export", "Compares an exported network with its training framework; exit 1 above the tolerance.") { folder, model, write };
        command.SetAction(parsed =>
        {
            try
            {
                string cases = parsed.GetValue(folder)!;
                string network = parsed.GetValue(model) ?? Only(cases);
                var result = ExportCheck.Run(network, cases, null, parsed.GetValue(write));
                result.WriteTo(Console.Out);
                return result.Passed ? 0 : 1;
            }
            catch (Exception e) when (e is IOException or InvalidDataException or DetectorUnavailableException or InferenceException)
            {
                Console.Error.WriteLine(e.Message);
                return CommandLine.BadUsage;
            }
        });
        return command;
    }

    private static string Only(string folder) =>
        Directory.GetFiles(folder, "*.onnx") is [var only] ? only : throw new IOException($"{folder} does not hold exactly one .onnx file: name it with --model.");
}
