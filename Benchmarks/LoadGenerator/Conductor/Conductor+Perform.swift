extension Conductor {
    /// Runs the scenario; whatever goes wrong becomes a failure of the result.
    mutating func perform() {
        result.parameters = [
            ("clients", Double(plan.clients)), ("projects", Double(plan.projects)),
            ("burst", Double(plan.burst)), ("rate", Double(plan.deliveriesPerSecond)),
        ]
        do {
            switch plan.scenario {
            case .fanout, .burst, .projects: try broadcast()
            case .single: try single()
            case .fairness: try fairness()
            case .handshake: try handshake()
            case .idle: try idle()
            case .idlecpu: try idleCPU()
            case .slow: try slow()
            case .churn: try churn()
            }
        } catch {
            result.failures.append("\(error)")
        }
        if let server, !server.isAlive { result.failures.append("the server has ended") }
        progress.clear()
    }
}
