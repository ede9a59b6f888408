import Reactor
import Testing

/// A vector of RFC 4231 §4.
struct HMACVector: Sendable, CustomTestStringConvertible {
    var name: String
    var key: [UInt8]
    var message: [UInt8]
    var code: String

    var testDescription: String { name }

    static let all = [
        HMACVector(
            name: "case 1", key: Array(repeating: 0x0B, count: 20), message: Array("Hi There".utf8),
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        HMACVector(
            name: "case 2, a short key", key: Array("Jefe".utf8),
            message: Array("what do ya want for nothing?".utf8),
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        HMACVector(
            name: "case 3", key: Array(repeating: 0xAA, count: 20),
            message: Array(repeating: 0xDD, count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        HMACVector(
            name: "case 6, a key longer than a block", key: Array(repeating: 0xAA, count: 131),
            message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        HMACVector(
            name: "empty key and message", key: [], message: [],
            code: "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ]
}

@Suite struct HMACSHA256Behaviour {
    @Test(arguments: HMACVector.all)
    func `gives the codes of RFC 4231`(vector: HMACVector) throws {
        var mac = try HMACSHA256(key: vector.key.span)
        let code = try mac.digest(of: vector.message.span)
        #expect(hexadecimal(code) == vector.code)
    }

    @Test func `starts over with each message`() throws {
        let vector = HMACVector.all[1]
        var mac = try HMACSHA256(key: vector.key.span)
        let other = HMACVector.all[2]
        _ = try mac.digest(of: other.message.span)
        let nothing: [UInt8] = []
        _ = try mac.digest(of: nothing.span)
        let code = try mac.digest(of: vector.message.span)
        #expect(hexadecimal(code) == vector.code)
    }

    @Test func `keys of two values don't mix`() throws {
        let first = HMACVector.all[0]
        let second = HMACVector.all[1]
        var firstMAC = try HMACSHA256(key: first.key.span)
        var secondMAC = try HMACSHA256(key: second.key.span)
        let secondCode = try secondMAC.digest(of: second.message.span)
        let firstCode = try firstMAC.digest(of: first.message.span)
        #expect(hexadecimal(firstCode) == first.code)
        #expect(hexadecimal(secondCode) == second.code)
    }

    private func hexadecimal(_ bytes: InlineArray<32, UInt8>) -> String {
        var text = ""
        for index in bytes.indices {
            text += bytes[index] < 16 ? "0" : ""
            text += String(bytes[index], radix: 16)
        }
        return text
    }
}

@Suite struct ConstantTimeBehaviour {
    @Test func `equal bytes are equal, and so are no bytes`() {
        let bytes: [UInt8] = [1, 2, 3]
        let same: [UInt8] = [1, 2, 3]
        let none: [UInt8] = []
        #expect(isEqual(bytes, same))
        #expect(isEqual(none, none))
    }

    @Test func `a difference in any byte or in length is seen`() {
        let bytes: [UInt8] = [1, 2, 3, 4]
        for index in bytes.indices {
            var other = bytes
            other[index] ^= 0x80
            #expect(!isEqual(bytes, other))
        }
        let prefix = Array(bytes.dropLast())
        #expect(!isEqual(bytes, prefix))
    }

    private func isEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        ConstantTime.isEqual(left.span, right.span)
    }
}
