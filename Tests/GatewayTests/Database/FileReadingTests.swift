import Glibc
import Reactor
import Testing

@Suite struct FileReadingBehaviour {
    @Test func `lists the wanted names in the order of their bytes`() throws {
        let directory = try TestDirectory()
        for name in ["010_b.sql", "2.sql", "001_a.sql", "notes.txt", ".hidden.sql"] {
            try directory.write([], to: name)
        }
        let names = try Directory.names(at: directory.path, endingIn: ".sql", max: 3)
        #expect(names == ["001_a.sql", "010_b.sql", "2.sql"])
        let failure = #expect(throws: FileFailure.self) {
            try Directory.names(at: directory.path, endingIn: ".sql", max: 2)
        }
        #expect(failure?.reason == .tooManyEntries(max: 2))
    }

    @Test func `reads up to its limit and not a byte more`() throws {
        let directory = try TestDirectory()
        let path = directory.path + "/f"
        for count in [0, 1, 99, 100] {
            try directory.write(Array(repeating: 0x61, count: count), to: "f")
            let text = try FileContents.text(at: path, bytesMax: 100)
            #expect(text.utf8.count == count)
        }
        try directory.write(Array(repeating: 0x61, count: 101), to: "f")
        let failure = #expect(throws: FileFailure.self) {
            try FileContents.text(at: path, bytesMax: 100)
        }
        #expect(failure?.reason == .tooLarge(bytesMax: 100))
    }

    @Test(arguments: [[0xFF], [0x61, 0x00, 0x62], [0xC3]] as [[UInt8]])
    func `refuses what isn't text`(_ bytes: [UInt8]) throws {
        let directory = try TestDirectory()
        let path = directory.path + "/f"
        try directory.write(bytes, to: "f")
        let failure = #expect(throws: FileFailure.self) {
            try FileContents.text(at: path, bytesMax: 100)
        }
        #expect(failure?.reason == .notText)
    }

    @Test func `tells a pipe, whose writer would have to be waited for`() throws {
        let directory = try TestDirectory()
        let path = directory.path + "/pipe"
        let made = unsafe mkfifo(path, 0o600)
        #expect(made == 0)
        let failure = #expect(throws: FileFailure.self) {
            try FileContents.checkRegular(path)
        }
        #expect(failure?.reason == .notRegular)
        try directory.write([], to: "f")
        try FileContents.checkRegular(directory.path + "/f")
    }

    @Test func `names the path that doesn't exist`() {
        let missing = #expect(throws: FileFailure.self) {
            try FileContents.bytes(at: "/nonexistent/f", bytesMax: 1)
        }
        #expect(missing?.description == "/nonexistent/f: No such file or directory")
        let directory = #expect(throws: FileFailure.self) {
            try FileContents.bytes(at: "/tmp", bytesMax: 1)
        }
        #expect(directory?.path == "/tmp")
    }
}
