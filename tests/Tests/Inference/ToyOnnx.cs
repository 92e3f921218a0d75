using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Palimpsest.Tests.Inference;

/// <summary>
/// Writes small ONNX networks on the spot, byte by byte in protobuf's wire format (onnx.proto3), so that the tests carry no binary files and
/// need no exporter.
/// </summary>
internal sealed class ToyOnnx
{
    private readonly Message graph = new();

    public ToyOnnx() => graph.Text(2, "toy");

    public ToyOnnx Input(string name, params object[] shape)
    {
        graph.Nested(11, ValueInfo(name, shape));
        return this;
    }

    public ToyOnnx ByteInput(string name, params object[] shape)
    {
        graph.Nested(11, ValueInfo(name, shape, type: 2));
        return this;
    }

    public ToyOnnx Output(string name, params object[] shape)
    {
        graph.Nested(12, ValueInfo(name, shape));
        return this;
    }

    public ToyOnnx Constant(string name, long[] shape, params float[] values)
    {
        var tensor = new Message().Varints(1, shape).Varint(2, 1).Text(8, name).Bytes(9, MemoryMarshal.AsBytes<float>(values).ToArray());
        graph.Nested(5, tensor);
        return this;
    }

    /// <summary>A node; attributes are whole numbers, floats or lists of whole numbers.</summary>
    public ToyOnnx Node(string type, string[] inputs, string[] outputs, params (string Name, object Value)[] attributes)
    {
        var node = new Message();
        Array.ForEach(inputs, input => node.Text(1, input));
        Array.ForEach(outputs, output => node.Text(2, output));
        node.Text(4, type);
        foreach (var (name, value) in attributes)
        {
            var attribute = new Message().Text(1, name);
            node.Nested(5, value switch
            {
                int number => attribute.Varint(3, number).Varint(20, 2),
                float number => attribute.Float(2, number).Varint(20, 1),
                long[] numbers => attribute.Varints(8, numbers).Varint(20, 7),
                _ => throw new ArgumentException(name),
            });
        }

        graph.Nested(1, node);
        return this;
    }

    public byte[] ToBytes() => new Message().Varint(1, 8).Nested(8, new Message().Text(1, "").Varint(2, 16)).Nested(7, graph).ToArray();

    private static Message ValueInfo(string name, object[] shape, int type = 1)
    {
        var dimensions = new Message();
        foreach (object dimension in shape)
        {
            dimensions.Nested(1, dimension is string text ? new Message().Text(2, text) : new Message().Varint(1, (int)dimension));
        }

        return new Message().Text(1, name).Nested(2, new Message().Nested(1, new Message().Varint(1, type).Nested(2, dimensions)));
    }

    private sealed class Message
    {
        private readonly MemoryStream bytes = new();

        public Message Varint(int field, long value)
        {
            Raw((ulong)field << 3);
            Raw((ulong)value);
            return this;
        }

        public Message Varints(int field, long[] values)
        {
            Array.ForEach(values, value => Varint(field, value));
            return this;
        }

        public Message Float(int field, float value)
        {
            Raw(((ulong)field << 3) | 5);
            Span<byte> four = stackalloc byte[4];
            BinaryPrimitives.WriteSingleLittleEndian(four, value);
            bytes.Write(four);
            return this;
        }

        public Message Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public Message Nested(int field, Message value) => Bytes(field, value.ToArray());

        public Message Bytes(int field, byte[] value)
        {
            Raw(((ulong)field << 3) | 2);
            Raw((ulong)value.Length);
            bytes.Write(value);
            return this;
        }

        public byte[] ToArray() => bytes.ToArray();

        private void Raw(ulong value)
        {
            for (; value >= 128; value >>= 7)
            {
                bytes.WriteByte((byte)(value | 128));
            }

            bytes.WriteByte((byte)value);
        }
    }
}
