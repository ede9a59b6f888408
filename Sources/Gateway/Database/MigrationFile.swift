internal import CMigrations
internal import Reactor

/// A file of SQL that `migrate` applies, wherever it stood.
package struct MigrationFile: Equatable, Sendable {
    package let name: String
    package let text: String

    package init(name: String, text: String) {
        self.name = name
        self.text = text
    }
}

extension MigrationFile {
    /// The largest migration that is read. Ours have a few KiB.
    package static let bytesMax = 1_024 * 1_024
    package static let countMax = 1_000

    /// The files that are applied, in the order of their names: those of a directory, or of the program
    /// if it is empty.
    package static func all(in directory: String) throws(MigrationFailure) -> [MigrationFile] {
        directory.isEmpty ? builtIn : try read(directory)
    }

    /// The files of the repository's folder `Migrations`, as they were when the program was built.
    package static var builtIn: [MigrationFile] {
        var files: [MigrationFile] = []
        while let file = unsafe cmi_file_at(files.count)?.pointee {
            let text = unsafe UnsafeBufferPointer(start: file.text, count: file.count)
            files.append(
                unsafe MigrationFile(
                    name: String(cString: file.name), text: String(decoding: text, as: UTF8.self)))
        }
        return files
    }

    /// All files, before the first is applied: an unreadable one changes nothing.
    private static func read(_ directory: String) throws(MigrationFailure) -> [MigrationFile] {
        var files: [MigrationFile] = []
        do {
            for name in try Directory.names(at: directory, endingIn: ".sql", max: countMax) {
                let text = try FileContents.text(at: "\(directory)/\(name)", bytesMax: bytesMax)
                files.append(MigrationFile(name: name, text: text))
            }
        } catch {
            throw .file(error)
        }
        guard !files.isEmpty else { throw .noFiles(directory: directory) }
        return files
    }
}
