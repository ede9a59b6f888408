/// Why bytes are no PROXY header.
package enum ProxyHeaderFault: UInt8, BitwiseCopyable, Sendable {
    /// They begin like neither version.
    case noHeader
    /// Version 1: no end within 107 bytes.
    case lineTooLong
    /// Version 1: the line ends with a line feed alone.
    case bareLineFeed
    case unknownVersion
    case unknownCommand
    /// Something else than TCP, of a family that has addresses.
    case unknownProtocol
    case badAddresses
    /// Version 2: its length leaves no room for its addresses.
    case tooShort
    case tooLong

    /// For the log.
    package var text: StaticString {
        switch self {
        case .noHeader: "no PROXY header"
        case .lineTooLong: "a PROXY line of more than 107 bytes"
        case .bareLineFeed: "a PROXY line that ends without a carriage return"
        case .unknownVersion: "a PROXY header of an unknown version"
        case .unknownCommand: "a PROXY header with an unknown command"
        case .unknownProtocol: "a PROXY header for another protocol than TCP"
        case .badAddresses: "a PROXY line with addresses or ports that aren't any"
        case .tooShort: "a PROXY header too short for its addresses"
        case .tooLong: "a PROXY header of more than 4,096 bytes"
        }
    }
}
