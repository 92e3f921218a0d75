using Palimpsest.Inference;

namespace Palimpsest.Tests.Inference;

public sealed class ExportCheckTests
{
    [Fact]
    public void An_array_file_is_read_as_it_was_written()
    {
        string path = Path.GetTempFileName();
        var tensor = new Tensor([1.5f, -2, float.MinValue, 4, 5, 6], [1, 2, 3]);
        NpyFile.Write(path, tensor);

        var read = NpyFile.Read(path);

        read.Shape.ShouldBe(tensor.Shape);
        read.Values.ShouldBe(tensor.Values);
        (new FileInfo(path).Length % 64).ShouldBe(24); // 6 floats after a header that ends on a multiple of 64, as NumPy's does
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^1]);
        Should.Throw<InvalidDataException>(() => NpyFile.Read(path)).Message.ShouldContain("cut short");
        File.Delete(path);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(0.01f, false)]
    public void The_largest_difference_decides(float error, bool passes)
    {
        using var folder = new ModelFolder();
        string model = Path.Combine(folder.Path, "toy.onnx"), theirs = Path.Combine(folder.Path, "theirs");
        byte[] doubling = new ToyOnnx().Input("x", "n", 3).Output("y", "n", 3).Constant("two", [1], 2).Node("Mul", ["x", "two"], ["y"]).ToBytes();
        File.WriteAllBytes(model, doubling);
        NpyFile.Write(Path.Combine(folder.Path, "case0.in.x.npy"), new Tensor([1, 2, 3, 4, 5, 6], [2, 3]));
        NpyFile.Write(Path.Combine(folder.Path, "case0.out.y.npy"), new Tensor([2, 4, 6, 8, 10 + error, 12], [2, 3]));
        File.WriteAllText(Path.Combine(folder.Path, "check.json"), """{"tolerance": 0.001, "cases": [{"name": "case0", "inputs": {"x": [2, 3]}, "outputs": {"y": [2, 3]}}]}""");

        var result = ExportCheck.Run(model, folder.Path, writeTo: theirs);

        result.Passed.ShouldBe(passes);
        result.Maximum.ShouldBe(error, 1e-5);
        NpyFile.Read(Path.Combine(theirs, "case0.out.y.npy")).Values.ShouldBe([2, 4, 6, 8, 10, 12]);
        using var text = new StringWriter();
        result.WriteTo(text);
        text.ToString().ShouldContain(passes ? "passed" : "FAILED");
    }
}
