import Gateway
import Testing

@Suite struct MigrationFileBehaviour {
    private static var folder: String {
        Sources.root.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/Migrations"
    }

    @Test func `the program has the files of the folder Migrations, with their names`() throws {
        let files = try MigrationFile.all(in: Self.folder)
        #expect(MigrationFile.builtIn.map(\.name) == files.map(\.name))
        let isSame = MigrationFile.builtIn == files
        #expect(isSame, "a file of Migrations is missing in Sources/CMigrations/migrations.c")
    }

    @Test func `without a directory they are what is applied`() throws {
        let files = try MigrationFile.all(in: "")
        #expect(files == MigrationFile.builtIn)
        #expect(files.contains { $0.name == Migrator.eventLogFile })
    }
}
