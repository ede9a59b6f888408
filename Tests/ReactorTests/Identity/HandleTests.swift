import Reactor
import Testing

@Suite struct HandleBehaviour {
    @Test func `index, generation and kind come back from the 64 bits`() {
        let indices: [UInt32] = [0, 1, 0x1234_5678, .max]
        let generations: [UInt32] = [0, 1, 0x00AB_CDEF, 0x00FF_FFFF]
        for index in indices {
            for generation in generations {
                for kind: UInt8 in [0, 1, 0x7F, 0xFF] {
                    let handle = Handle(kind: kind, index: index, generation: generation)
                    #expect(handle.index == index)
                    #expect(handle.generation == generation)
                    #expect(handle.kind == kind)
                    #expect(Handle(raw: handle.raw) == handle)
                }
            }
        }
    }

    @Test func `the parts stand where epoll's user data is documented to have them`() {
        let handle = Handle(kind: 0xA1, index: 0xD4E5_F607, generation: 0x00B2_C3D4)
        #expect(handle.raw == 0xA1B2_C3D4_D4E5_F607)
    }

    @Test func `a generation of more than 24 bits doesn't reach into the kind`() {
        let handle = Handle(kind: 3, index: 7, generation: 0xFF00_0001)
        #expect(handle.kind == 3)
        #expect(handle.generation == 1)
    }
}
