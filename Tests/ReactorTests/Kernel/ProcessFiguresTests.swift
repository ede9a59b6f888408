import Glibc
import Reactor
import Testing

@Suite struct ProcessFiguresBehaviour {
    @Test func `figures are those of a process that runs and holds memory`() throws {
        let figures = ProcessFigures.current()
        let resident = try #require(figures.residentBytes)
        let total = try #require(figures.virtualBytes)
        #expect(resident > 1_000_000 && resident <= total)
        #expect(figures.cpuNanoseconds > 0)
        let start = try #require(figures.startMicroseconds)
        let now = Clock.wallMicroseconds()
        // Within this boot, and not after now; the kernel counts the start in ticks of 10 ms.
        #expect(start > now - 86_400_000_000 && start <= now + 20_000)
        let again = try #require(ProcessFigures.current().startMicroseconds)
        #expect(abs(again - start) < 20_000)
    }

    @Test func `open descriptors are counted`() throws {
        // Other tests of this process open and close some meanwhile, so many more are opened.
        let before = try #require(ProcessFigures.current().openDescriptors)
        var opened: [Int32] = []
        defer { for descriptor in opened { _ = close(descriptor) } }
        for _ in 0..<200 {
            let descriptor = dup(0)
            try #require(descriptor >= 0)
            opened.append(descriptor)
        }
        let after = try #require(ProcessFigures.current().openDescriptors)
        #expect(after >= before + 100)
        let most = try #require(ProcessFigures.current().openDescriptorsMax)
        #expect(after <= most)
    }
}

@Suite struct DescriptorLimitBehaviour {
    @Test func `raising brings the soft limit up to the hard one`() throws {
        let raised = try DescriptorLimit.raiseToHard()
        #expect(raised.soft == raised.hard)
        let current = try DescriptorLimit.current()
        #expect(current == raised)
    }
}

@Suite struct EnvironmentBehaviour {
    @Test func `variables are what the process was given`() {
        let variables = Environment.snapshot()
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) }
        #expect(variables["PATH"].map { String(decoding: $0, as: UTF8.self) } == path)
        #expect(variables[""] == nil)
    }
}
