import FuzzTargets
import Reactor
import Testing

/// Every input that fuzzing started from or has found, through the same functions (`Tests/Fuzz`).
@Suite struct CorpusBehaviour {
    private static func files(of target: FuzzTarget) throws -> [String] {
        let tests = #filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined()
        let folder = "\(tests)/Fuzz/Corpora/\(target.rawValue)"
        return try Directory.names(at: folder, endingIn: "", max: 1_000).map { "\(folder)/\($0)" }
    }

    @Test(arguments: FuzzTarget.allCases)
    func `every input of the corpus holds`(target: FuzzTarget) throws {
        let files = try Self.files(of: target)
        #expect(!files.isEmpty)
        for file in files {
            target.run(try FileContents.bytes(at: file, bytesMax: 1 << 20))
        }
    }
}
