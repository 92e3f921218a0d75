using System.Runtime.InteropServices;

namespace Palimpsest.Decoder.Sandbox;

/// <summary>
/// A seccomp filter (seccomp(2), x86-64): what an attacker inside a decoder would need next fails with EPERM — network, new programs and
/// processes, other processes' memory, changes to the file system other than writing files, kernel interfaces. Threads stay possible, the runtime makes them.
/// </summary>
internal static unsafe partial class SystemCallFilter
{
    // linux/filter.h: load a word of seccomp_data, jump if equal / greater or equal / any bit set, return.
    private const ushort Load = 0x20, JumpEqual = 0x15, JumpGreaterEqual = 0x35, JumpSet = 0x45, Return = 0x06;
    private const uint Allow = 0x7FFF0000, Kill = 0x80000000, Errno = 0x00050000, Eperm = 1, Enosys = 38;
    private const uint NumberOffset = 0, ArchitectureOffset = 4, FirstArgumentOffset = 16;
    private const uint X8664 = 0xC000003E, X32Bit = 0x40000000, CloneThread = 0x00010000;
    private const uint Clone = 56, Clone3 = 435, Tgkill = 234;
    private const int SetNoNewPrivileges = 38, SystemCallSeccomp = 317, SetModeFilter = 1, AllThreads = 1;

    /// <summary>Refused by number (asm/unistd_64.h).</summary>
    private static readonly uint[] Refused =
    [
        41, 42, 43, 44, 45, 46, 47, 49, 50, 53, 288, 299, 307, // socket connect accept sendto recvfrom sendmsg recvmsg bind listen socketpair accept4 recvmmsg sendmmsg
        57, 58, 59, 322,                                       // fork vfork execve execveat
        62, 129, 200, 297, 424,                                // kill rt_sigqueueinfo tkill rt_tgsigqueueinfo pidfd_send_signal
        101, 310, 311, 312, 434, 438,                          // ptrace process_vm_readv process_vm_writev kcmp pidfd_open pidfd_getfd
        155, 161, 165, 166, 272, 308, 428, 429, 430, 432, 442, // pivot_root chroot mount umount2 unshare setns open_tree move_mount fsopen fsmount mount_setattr
        105, 106, 113, 114, 117, 119, 122, 123, 126,           // setuid … setfsgid, capset
        175, 176, 246, 313, 320, 321, 298, 323,                // init_module delete_module kexec_load finit_module kexec_file_load bpf perf_event_open userfaultfd
        425, 426, 427,                                         // io_uring: would go round this filter
        167, 168, 169, 170, 171, 248, 249, 250, 304,           // swapon swapoff reboot sethostname setdomainname, keys, open_by_handle_at
        76, 82, 83, 84, 86, 87, 88, 90, 91, 92, 93, 94, 133,   // truncate rename mkdir rmdir link unlink symlink chmod fchmod chown fchown lchown mknod
        258, 259, 260, 263, 264, 265, 266, 268, 316,           // mkdirat mknodat fchownat unlinkat renameat linkat symlinkat fchmodat renameat2
    ];

    /// <summary>Puts the filter on every thread. False where there is none for this architecture.</summary>
    /// <exception cref="InvalidOperationException">The kernel refused it.</exception>
    public static bool Apply()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            return false;
        }

        var program = Build((uint)Environment.ProcessId);
        fixed (Instruction* first = program)
        {
            var filter = new Program { Length = (ushort)program.Length, First = first };
            if (Control(SetNoNewPrivileges, 1, 0, 0, 0) != 0 || SystemCall(SystemCallSeccomp, SetModeFilter, AllThreads, &filter) != 0)
            {
                throw new InvalidOperationException("seccomp failed: " + Marshal.GetLastPInvokeErrorMessage());
            }
        }

        return true;
    }

    private static Instruction[] Build(uint ownProcess)
    {
        var program = new List<Instruction>
        {
            new(Load, ArchitectureOffset),
            new(JumpEqual, X8664, whenTrue: 1),
            new(Return, Kill),
            new(Load, NumberOffset),
            new(JumpGreaterEqual, X32Bit, whenFalse: 1),
            new(Return, Kill),
        };
        foreach (uint number in Refused)
        {
            program.Add(new(JumpEqual, number, whenFalse: 1));
            program.Add(new(Return, Errno | Eperm));
        }

        program.AddRange(
        [
            // glibc falls back to clone, whose flags a filter can see.
            new(JumpEqual, Clone3, whenFalse: 1),
            new(Return, Errno | Enosys),
            new(JumpEqual, Clone, whenFalse: 4),
            new(Load, FirstArgumentOffset),
            new(JumpSet, CloneThread, whenTrue: 1),
            new(Return, Errno | Eperm),
            new(Return, Allow),
            // Signals to itself only: abort, and the runtime's own thread suspension.
            new(JumpEqual, Tgkill, whenFalse: 3),
            new(Load, FirstArgumentOffset),
            new(JumpEqual, ownProcess, whenTrue: 1),
            new(Return, Errno | Eperm),
            new(Return, Allow),
        ]);
        return [.. program];
    }

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    private static partial int Control(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint operation, nint flags, Program* program);

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Instruction(ushort code, uint value, byte whenTrue = 0, byte whenFalse = 0)
    {
        private readonly ushort code = code;
        private readonly byte whenTrue = whenTrue;
        private readonly byte whenFalse = whenFalse;
        private readonly uint value = value;
    }

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Length;
        public Instruction* First;
    }
}
