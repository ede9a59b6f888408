internal import Reactor

/// The process's exit codes, by sysexits.h.
package enum ProgramExit: Int32, Error, Sendable {
    case success = 0
    /// EX_USAGE: wrong arguments, variables or values.
    case usage = 64
    /// EX_UNAVAILABLE: something that is needed isn't there: an address, the database at start.
    case unavailable = 69
    /// EX_SOFTWARE: a fault of ours.
    case internalError = 70
}

/// What commands say before they exit.
package enum Console {
    /// Opens those of descriptors 0 to 2 that the process was started without, before any other.
    package static func openStandardDescriptors() -> Bool { StandardDescriptors.open() }

    /// Writes `devhive-gateway: text` to standard error, as one line.
    package static func complain(_ text: String) {
        StandardError.writeWaiting("devhive-gateway: \(text.visible)\n")
    }
}
