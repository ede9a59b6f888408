import Glibc
import Reactor
import Testing

@Suite struct SignalDescriptorBehaviour {
    /// Runs `body` on this thread, and gives the thread its signal mask back.
    private static func keepingMask(_ body: () throws -> Void) throws {
        var before = sigset_t()
        let status = unsafe pthread_sigmask(SIG_BLOCK, nil, &before)
        try #require(status == 0)
        defer { _ = unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        try body()
    }

    @Test func `signals of this thread are read in turn, and nothing is delivered`() throws {
        try Self.keepingMask {
            let signals = try SignalDescriptor()
            let none = signals.next()
            #expect(none == nil)
            // Blocked by the descriptor, and sent to this thread alone: nobody else sees them.
            for (signal, meaning) in [
                (SIGTERM, Signal.terminate), (SIGINT, .terminate), (SIGHUP, .reload),
            ] {
                try #require(pthread_kill(pthread_self(), signal) == 0)
                let next = signals.next()
                #expect(next == meaning)
            }
            let rest = signals.next()
            #expect(rest == nil)
        }
    }

    @Test func `what came before the descriptor is read from it`() throws {
        try Self.keepingMask {
            SignalDescriptor.hold()
            try #require(pthread_kill(pthread_self(), SIGHUP) == 0)
            let signals = try SignalDescriptor()
            let next = signals.next()
            #expect(next == .reload)
        }
    }

    @Test func `a signal makes the descriptor readable`() throws {
        try Self.keepingMask {
            let signals = try SignalDescriptor()
            let poller = try Poller()
            let handle = Handle(kind: 1, index: 0, generation: 0)
            try poller.add(signals.descriptor, handle: handle, interest: .read)
            try #require(pthread_kill(pthread_self(), SIGHUP) == 0)
            let ready = try poller.wait(nanoseconds: 0)
            let next = signals.next()
            let readyAfter = try poller.wait(nanoseconds: 0)
            #expect(ready == 1 && next == .reload && readyAfter == 0)
        }
    }
}
