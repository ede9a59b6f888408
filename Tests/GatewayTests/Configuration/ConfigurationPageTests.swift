import Gateway
import Reactor
import Testing

@Suite struct ConfigurationPageBehaviour {
    private static func file(_ name: String) throws -> String {
        let root = #filePath.split(separator: "/").dropLast(4).map { "/\($0)" }.joined()
        return try FileContents.text(at: "\(root)/\(name)", bytesMax: 1 << 20)
    }

    @Test func `docs-configuration is what the table says`() throws {
        let isCurrent = try Self.file("docs/configuration.md") == ConfigurationPage.text
        #expect(
            isCurrent,
            """
            the table of settings has changed: write the page again with \
            .build/debug/devhive-gateway describe-options > docs/configuration.md
            """)
    }

    @Test func `each setting and each secret has its row`() {
        let page = ConfigurationPage.text
        for setting in Setting.all {
            #expect(page.contains("| `\(setting.optionName)`<br>`\(setting.variableName)` |"))
        }
        for secret in SecretSetting.allCases {
            #expect(page.contains("| `\(secret.variableName)`, `\(secret.fileVariableName)` |"))
        }
    }

    @Test func `every row has the columns of its table`() {
        for line in ConfigurationPage.text.split(separator: "\n") where line.hasPrefix("|") {
            let bars = zip(line, " " + line).filter { $0 == "|" && $1 != "\\" }.count
            #expect(bars == 3 || bars == 4, "\(line)")
        }
    }

    /// The README has the settings that most installations change, in rows like
    /// `| --listen | DEVHIVE_LISTEN | 127.0.0.1:8080 | … |`, each word in backticks.
    @Test func `options, variables and defaults in the README are those of the table`() throws {
        let lines = try Self.file("README.md").split(separator: "\n")
        var count = 0
        for line in lines where line.hasPrefix("| `--") {
            let cells = line.split(separator: "|").map(Self.words)
            let settings = cells[0].compactMap { name in
                Setting.all.first { $0.optionName == name }
            }
            #expect(settings.map(\.optionName) == cells[0], "\(line)")
            #expect(settings.map(\.variableName) == cells[1], "\(line)")
            #expect(settings.map(\.standard).filter { !$0.isEmpty } == cells[2], "\(line)")
            count += settings.count
        }
        #expect(count > 5)
    }

    /// What stands between backticks.
    private static func words(in cell: Substring) -> [String] {
        let parts = cell.split(separator: "`", omittingEmptySubsequences: false)
        return parts.indices.filter { $0 % 2 == 1 }.map { String(parts[$0]) }
    }
}
