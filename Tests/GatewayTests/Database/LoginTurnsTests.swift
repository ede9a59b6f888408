import Gateway
import Reactor
import Testing

@Suite struct LoginTurnsBehaviour {
    private let turn = Instant(nanoseconds: 1_000_000_000)
    private let connecting = LinkLifecycle.Phase.connecting(
        deadline: Instant(nanoseconds: 9_000_000_000))

    @Test func `one session takes a step of its login in a turn, the next one in the next`() {
        var logins = LoginTurns()
        let first = logins.admits(connecting, turn)
        #expect(first && !logins.hasPostponed(turn))
        let second = logins.admits(connecting, turn)
        #expect(!second && logins.hasPostponed(turn))
        let next = turn.advanced(byNanoseconds: 1)
        let secondInNext = logins.admits(connecting, next)
        #expect(secondInNext && !logins.hasPostponed(next))
    }

    @Test(arguments: [
        LinkLifecycle.Phase.live(since: Instant(nanoseconds: 0)),
        .preparing(deadline: Instant(nanoseconds: 2_000_000_000)),
        .disconnected(until: Instant(nanoseconds: 0)),
    ])
    func `who doesn't log in waits for nobody`(phase: LinkLifecycle.Phase) {
        var logins = LoginTurns()
        _ = logins.admits(connecting, turn)
        let isAdmitted = logins.admits(phase, turn)
        #expect(isAdmitted && !logins.hasPostponed(turn))
    }
}
