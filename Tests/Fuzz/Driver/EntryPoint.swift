internal import FuzzTargets
internal import Reactor

/// What libFuzzer, which brings `main`, calls with each input. Built by `scripts/fuzz` alone.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let target else {
        preconditionFailure("FUZZ_TARGET names none of the targets in Tests/Fuzz/Targets")
    }
    // An array of its own, of exactly this size: AddressSanitizer sees a byte too far.
    target.run(unsafe Array(UnsafeBufferPointer(start: data, count: count)))
    return 0
}

private let target = Environment.snapshot()["FUZZ_TARGET"].flatMap { name in
    FuzzTarget(rawValue: String(decoding: name, as: UTF8.self))
}
