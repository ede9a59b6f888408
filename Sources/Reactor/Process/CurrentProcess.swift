internal import CEpollShim

/// What this process says about itself to the kernel.
public enum CurrentProcess {
    /// The program that runs, even when the file was replaced meanwhile (proc_pid_exe(5)).
    public static let executablePath = "/proc/self/exe"

    /// getpid(2)
    public static var id: Int32 { getpid() }

    /// The process that started this one; 1 or a reaper's once that has ended (getppid(2)).
    public static var parentID: Int32 { getppid() }

    /// Has this process killed when its parent ends, however that ends (PR_SET_PDEATHSIG). Whoever
    /// calls it compares `parentID` afterwards: the parent may have ended before.
    public static func dieWithParent() {
        // It fails only for a signal that doesn't exist.
        _ = ces_die_with_parent(SIGKILL)
    }

    /// Keeps this process' memory to itself (PR_SET_DUMPABLE 0, prctl(2)): the kernel writes no core
    /// file of it, other processes of its user can't trace it, and its `/proc` entries, the
    /// environment among them, belong to root. A program that it starts begins without this.
    public static func forbidDumps() {
        // It fails only for a value that doesn't exist.
        _ = ces_set_dumpable(0)
    }

    /// The name in ps(1) and top(1), of which 15 bytes are kept. Without it, a program that was
    /// started by `executablePath` is called "exe".
    public static func setName(_ name: String) {
        _ = unsafe ces_set_process_name(name)
    }
}
