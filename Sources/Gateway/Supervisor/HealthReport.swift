/// The answer to "are you live?" or "are you ready?", made of those of the workers.
package struct HealthReport: Sendable {
    package enum Finding: Equatable, Sendable {
        /// There is no process now.
        case down
        case starting
        /// It runs, and didn't answer in time.
        case silent
        case answered(WorkerAnswer)

        /// - Parameter reply: what has come of the question when the time for it is over, or when
        ///   all others have answered.
        package init(_ phase: WorkerLifecycle.Phase, _ reply: WorkerReply) {
            switch (phase, reply) {
            case (.waiting, _), (.over, _): self = .down
            case (.starting, _): self = .starting
            case (.running, .answered(let answer)): self = .answered(answer)
            case (.running, .awaited): self = .silent
            // It began to run after the question.
            case (.running, .unasked): self = .starting
            // It ends: the kernel will say so.
            case (.running, .ended): self = .down
            }
        }
    }

    private let question: Question
    /// Whether nothing stands against a yes.
    package private(set) var isGood: Bool
    private var lines = ""
    private var workers = 0

    /// - Parameter isFinishing: the parent was asked to end, and the workers drain.
    package init(question: Question, isFinishing: Bool) {
        self.question = question
        isGood = question == .live || !isFinishing
        if isFinishing { add(isGood, "shutting down") }
    }

    /// What the next worker has said.
    package mutating func add(_ finding: Finding) {
        workers += 1
        let name = "worker \(workers)"
        switch finding {
        case .down:
            judge(question == .live, "\(name) is not there")
        case .starting:
            judge(question == .live, "\(name) is starting")
        case .silent:
            judge(false, "\(name) does not answer")
        case .answered(let answer):
            judge(answer.isOK, "\(name) is \(answer.isOK ? "" : "not ")\(adjective)")
            // Its last line says the same once more.
            for line in answer.body.split(separator: "\n").dropLast() {
                lines += "    \(line)\n"
            }
        }
    }

    package func text(isVerbose: Bool) -> String {
        let verdict =
            question == .live ? (isGood ? "ok" : "not ok") : (isGood ? "ready" : "not ready")
        return (isVerbose ? lines : "") + verdict + "\n"
    }

    private var adjective: String { question == .live ? "live" : "ready" }

    private mutating func judge(_ good: Bool, _ text: String) {
        if !good { isGood = false }
        add(good, text)
    }

    private mutating func add(_ good: Bool, _ text: String) {
        lines += "\(good ? "[+]" : "[-]") \(text)\n"
    }
}
