internal import CEpollShim
internal import Glibc
import Reactor
import Testing

@Suite struct ChildProcessBehaviour {
    /// Starts a shell with these words, and a socket as descriptor 3.
    private static func shell(
        _ script: String, environment: [String: [UInt8]] = [:], holdsSignals: Bool = false
    ) throws -> ChildProcess {
        let socket = try LocalListeningSocket()
        return try ChildProcess.spawn(
            "/bin/sh", arguments: ["sh", "-c", script], environment: environment,
            inheriting: socket.owned, holdsSignals: holdsSignals)
    }

    private static func end(of process: ChildProcess) -> ProcessEnd? {
        var question = pollfd(fd: process.descriptor, events: Int16(POLLIN), revents: 0)
        let ready = unsafe poll(&question, 1, 30_000)
        return ready == 1 ? process.reap() : nil
    }

    @Test(arguments: [Int32(0), 1, 70, 255])
    func `its exit code is told`(code: Int32) throws {
        let process = try Self.shell("exit \(code)")
        #expect(Self.end(of: process) == .exited(code: code))
    }

    @Test func `the signal that killed it is told`() throws {
        let process = try Self.shell("kill -SEGV $$")
        #expect(Self.end(of: process) == .killed(signal: SIGSEGV))
    }

    @Test(arguments: [(ProcessSignal.terminate, SIGTERM), (.reload, SIGHUP), (.kill, SIGKILL)])
    func `signals reach it, also those that are blocked here`(
        signal: ProcessSignal, number: Int32
    ) throws {
        let process = try Self.shell("while :; do read -r line < /dev/zero; done")
        let early = process.reap()
        #expect(early == nil, "it runs")
        process.send(signal)
        #expect(Self.end(of: process) == .killed(signal: number))
    }

    @Test(arguments: [
        (false, 0), (true, 1 << (SIGTERM - 1) | 1 << (SIGINT - 1) | 1 << (SIGHUP - 1)),
    ])
    func `it begins with no signal blocked, or with those that it will read`(
        holdsSignals: Bool, mask: Int
    ) throws {
        let process = try Self.shell(
            """
            while read -r name value; do
                [ "$name" = SigBlk: ] && [ $((0x$value)) = \(mask) ] && exit 0
            done < /proc/$$/status; exit 1
            """, holdsSignals: holdsSignals)
        #expect(Self.end(of: process) == .exited(code: 0))
    }

    @Test func `arguments and environment arrive as they are, and nothing else does`() throws {
        let process = try Self.shell(
            "test \"$SECRET\" = 'a b\"=c' && test -z \"$HOME\" && test $# = 0",
            environment: ["SECRET": Array("a b\"=c".utf8)])
        #expect(Self.end(of: process) == .exited(code: 0))
    }

    @Test func `it has the socket as descriptor 3`() throws {
        let process = try Self.shell(
            "case $(readlink /proc/$$/fd/3) in socket:*) exit 0 ;; *) exit 1 ;; esac",
            environment: ["PATH": Array("/usr/bin:/bin".utf8)])
        #expect(Self.end(of: process) == .exited(code: 0))
    }

    @Test func `it is in a process group of its own`() throws {
        let process = try Self.shell("while :; do read -r line < /dev/zero; done")
        #expect(getpgid(process.processID) == process.processID)
        process.send(.kill)
        #expect(Self.end(of: process) == .killed(signal: SIGKILL))
    }

    @Test func `a program that isn't there is an error, and no process`() throws {
        let socket = try LocalListeningSocket()
        do throws(Errno) {
            _ = try ChildProcess.spawn(
                "/nowhere", arguments: ["x"], environment: [:], inheriting: socket.owned)
            Issue.record("it was started")
        } catch {
            #expect(error.code == ENOENT)
        }
    }
}
