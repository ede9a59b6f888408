/// What a carrier to other hosts asks of the loop after a call.
enum CarrierStep {
    case nothing
    /// A frame, of a process that is believed.
    case frame([UInt8])
    /// It works from here on.
    case live
    case lost(CarrierLoss)
}

/// Why a carrier was lost, for the log: nothing of a password or of the secret.
struct CarrierLoss {
    let reason: String
    /// What an operator can do about it; `nil` where that is unknown.
    let advice: String?
}
