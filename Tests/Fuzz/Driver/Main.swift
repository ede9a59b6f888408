internal import CLibFuzzer
internal import FuzzTargets

/// Gives the entry function of one target to libFuzzer: `Fuzz TARGET [OPTION…] [FOLDER…]`, where
/// options and folders are libFuzzer's. Built by `scripts/fuzz` alone.
@main
enum Main {
    static func main() {
        let target = CommandLine.arguments.dropFirst().first.flatMap(FuzzTarget.init)
        guard let target else {
            print("usage: Fuzz TARGET [OPTION...] [FOLDER...]")
            for target in FuzzTarget.allCases { print("  \(target.rawValue)") }
            return
        }
        run(target)
    }

    /// libFuzzer's callback carries no context, so there is one for each target.
    private static func run(_ target: FuzzTarget) {
        switch target {
        case .httpHead: drive { data, count in unsafe feed(data, count, to: .httpHead) }
        case .frames: drive { data, count in unsafe feed(data, count, to: .frames) }
        case .clientMessage: drive { data, count in unsafe feed(data, count, to: .clientMessage) }
        case .token: drive { data, count in unsafe feed(data, count, to: .token) }
        case .notification: drive { data, count in unsafe feed(data, count, to: .notification) }
        case .proxyHeader: drive { data, count in unsafe feed(data, count, to: .proxyHeader) }
        case .connection: drive { data, count in unsafe feed(data, count, to: .connection) }
        }
    }

    private typealias Callback = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

    private static func feed(
        _ data: UnsafePointer<UInt8>?, _ count: Int, to target: FuzzTarget
    ) -> CInt {
        // An array of its own, of exactly this size: AddressSanitizer sees a byte too far.
        target.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
        return 0
    }

    /// Doesn't return: libFuzzer ends the process itself.
    private static func drive(_ callback: Callback) {
        var count = CommandLine.argc - 1
        // The name of the target takes the place of the program's.
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? =
            unsafe CommandLine.unsafeArgv + 1
        _ = unsafe LLVMFuzzerRunDriver(&count, &arguments, callback)
    }
}
