import Reactor
import Testing

/// A part of the program, and the modules that its files may import.
private struct Part: CustomTestStringConvertible, Sendable {
    /// Below the folder `Sources`.
    let folder: String
    /// A folder in it that is a part of its own.
    var excluded: String?
    let imports: Set<String>

    var testDescription: String { folder }

    /// Executable → Gateway → Reactor → CEpollShim, and nobody Foundation: it doubles the time to
    /// start and the memory. The C library comes through the shim alone. `CMigrations` is bytes.
    static let all = [
        Part(folder: "CEpollShim", imports: []),
        Part(folder: "Reactor", imports: ["CEpollShim", "Synchronization"]),
        Part(
            folder: "Gateway", excluded: "Executable",
            imports: ["CMigrations", "Reactor", "Logging"]),
        Part(
            folder: "Gateway/Executable",
            imports: ["Gateway", "Reactor", "Logging", "ArgumentParser"]),
    ]
}

/// The repository's Swift files and what they import.
enum Sources {
    /// `Sources` of the checkout that this file stands in.
    static var root: String {
        #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined() + "/Sources"
    }

    /// All Swift files below `folder`.
    static func files(below folder: String, except excluded: String? = nil) throws -> [String] {
        let names = try Directory.names(at: folder, endingIn: "", max: 1_000)
        return try names.filter { $0 != excluded }.flatMap { name in
            let path = "\(folder)/\(name)"
            if name.hasSuffix(".swift") { return [path] }
            return name.contains(".") ? [] : try files(below: path)
        }
    }

    /// The modules that the Swift text imports: `import X`, `package import X`, `import struct X.Y`.
    static func imports(of text: String) -> [String] {
        let words: Set<Substring> = [
            "public", "package", "internal", "fileprivate", "private", "struct", "class", "enum",
            "protocol", "typealias", "func", "let", "var",
        ]
        return text.split(separator: "\n").compactMap { line in
            let tokens = line.split(separator: " ").filter { !$0.hasPrefix("@") }
            guard let position = tokens.firstIndex(of: "import"),
                tokens[..<position].allSatisfy(words.contains)
            else { return nil }
            let rest = tokens[(position + 1)...].first { !words.contains($0) }
            return rest?.split(separator: ".").first.map(String.init)
        }
    }
}

@Suite struct ArchitectureBehaviour {
    @Test(arguments: Part.all)
    private func `a part imports those below it and nobody else`(part: Part) throws {
        let files = try Sources.files(
            below: "\(Sources.root)/\(part.folder)", except: part.excluded)
        #expect(part.folder == "CEpollShim" || !files.isEmpty)
        for file in files {
            let text = try FileContents.text(at: file, bytesMax: 1 << 20)
            for module in Sources.imports(of: text) {
                #expect(part.imports.contains(module), "\(file) imports \(module)")
            }
        }
    }

    @Test func `imports are found in all their forms, and nothing else is taken for one`() {
        let text = """
            import A
            package import B
              @preconcurrency public import struct C.D
            @_exported import E
            // import F
            let text = "import G"
            /// We import H here.
            """
        #expect(Sources.imports(of: text) == ["A", "B", "C", "E"])
    }
}
