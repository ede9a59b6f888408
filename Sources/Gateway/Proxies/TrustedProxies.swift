package import Reactor

/// The proxies whose word about a client's address is believed. Anybody can write an
/// `X-Forwarded-For` header; only that of a proxy of ours says something.
package struct TrustedProxies: Equatable, Sendable {
    private let blocks: [AddressBlock]

    /// Nobody.
    package static let none = TrustedProxies(blocks: [])

    /// Blocks that can be named. They are compared one after the other, for each connection.
    package static let countMax = 64

    private init(blocks: [AddressBlock]) {
        self.blocks = blocks
    }

    /// Reads `none`, or blocks of addresses between commas. `nil` if one of them isn't any.
    package init?(text: String) {
        if text == "none" {
            self = .none
            return
        }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= Self.countMax else { return nil }
        var blocks: [AddressBlock] = []
        for part in parts {
            let words = part.split(separator: " ")
            guard words.count == 1, let block = AddressBlock(text: String(words[0])) else {
                return nil
            }
            blocks.append(block)
        }
        self.init(blocks: blocks)
    }

    package var isEmpty: Bool { blocks.isEmpty }

    package func contains(_ address: SocketAddress) -> Bool {
        for block in blocks where block.contains(address) { return true }
        return false
    }
}

extension TrustedProxies: CustomStringConvertible {
    /// What `init(text:)` reads back.
    package var description: String {
        isEmpty ? "none" : blocks.map(\.description).joined(separator: ",")
    }
}
