using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Palimpsest.Contracts;
using Palimpsest.Imaging.Protocol;

namespace Palimpsest.Decoder;

/// <summary>
/// Poison for the tests of this process's limits: pictures that carry <c>palimpsest-poison:NAME</c> make it misbehave. Off unless the environment
/// says so, which only tests do.
/// </summary>
internal static unsafe partial class TestHooks
{
    private static readonly bool Enabled = Environment.GetEnvironmentVariable(DecoderEnvironment.TestHooks) == "1";

    /// <summary>Does what the picture asks for, if hooks are on.</summary>
    public static void Misbehave(DecoderRequest? request)
    {
        if (!Enabled || request is null)
        {
            return;
        }

        ReadOnlySpan<byte> file = File.ReadAllBytes(request.Upload);
        int at = file.IndexOf("palimpsest-poison:"u8);
        if (at < 0)
        {
            return;
        }

        var poison = file[(at + "palimpsest-poison:"u8.Length)..];
        if (poison.StartsWith("crash"u8))
        {
            Marshal.WriteByte(0, 1);
        }
        else if (poison.StartsWith("abort"u8))
        {
            Environment.FailFast("poison");
        }
        else if (poison.StartsWith("hang"u8))
        {
            for (;;)
            {
            }
        }
        else if (poison.StartsWith("bloat"u8))
        {
            Bloat();
        }
        else if (poison.StartsWith("probe"u8))
        {
            // Answers by a refusal whose detail lists what was possible.
            throw new RefusalException(ErrorCodes.Internal, Probe());
        }
    }

    private static void Bloat()
    {
        for (;;)
        {
            // The limit counts what is asked for; a page of it is touched, since a machine may take ten seconds to find all of a gigabyte.
            new Span<byte>(NativeMemory.Alloc(16 << 20), 4096).Fill(1);
        }
    }

    [SuppressMessage("Design", "CA1031", Justification = "Any failure is the answer.")]
    private static string Probe()
    {
        var possible = new List<string>();
        Try("socket", () => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp).Dispose());
        Try("unix", () => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified).Dispose());
        Try("process", () => System.Diagnostics.Process.Start("/bin/true").Dispose());
        Try("fork", () => Require(Fork() >= 0));
        Try("thread", () =>
        {
            var thread = new Thread(() => { });
            thread.Start();
            thread.Join();
        });
        Try("environment", () => Require(Environment.GetEnvironmentVariables().Keys.Cast<string>().Any(k => !DecoderEnvironment.IsKnown(k))));
        return string.Join(',', possible);

        void Try(string name, Action action)
        {
            try
            {
                action();
                possible.Add(name);
            }
            catch (Exception)
            {
                // Refused: not possible.
            }
        }
    }

    private static void Require(bool condition)
    {
        if (!condition)
        {
            throw new InvalidOperationException();
        }
    }

    [LibraryImport("libc", EntryPoint = "fork")]
    private static partial int Fork();
}
