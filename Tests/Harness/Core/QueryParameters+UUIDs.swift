package import Gateway
package import Reactor

extension QueryParameters {
    /// The elements of the parameter at `index`, an array of UUIDs in PostgreSQL's binary format.
    package func uuids(_ index: Int) -> [UUID] {
        let bytes = value(index)
        var uuids: [UUID] = []
        var position = 20
        while position + 20 <= bytes.count {
            var words: [UInt64] = [0, 0]
            for offset in 0..<16 {
                words[offset / 8] = words[offset / 8] << 8 | UInt64(bytes[position + 4 + offset])
            }
            uuids.append(UUID(high: words[0], low: words[1]))
            position += 20
        }
        return uuids
    }
}
