/// docs/configuration.md, made of the descriptions of the settings.
package enum ConfigurationPage {
    package static var text: String {
        let sections = [head, secrets] + Setting.sections.map(text)
        return sections.joined(separator: "\n")
    }

    private static let head = """
        # Configuration

        <!-- Written by `devhive-gateway describe-options > docs/configuration.md`, from the table in
        Sources/Gateway/Program/Configuration/Configuration.swift. Change that, not this. -->

        An option wins over its variable, a variable over the default; an empty variable counts as not given.
        Durations are written `500ms`, `54s`, `1m`, `1h`. `devhive-gateway check` prints what would be used, with the
        same options and variables; a value that isn't allowed, or a variable that begins with `DEVHIVE_` and isn't
        listed here, is named there and at the start.

        """

    private static var secrets: String {
        """
        ## Secrets

        They are variables only, because every user of the host can read a command line. Each may be in a file
        instead, which the variable with `_FILE` names; a line end behind it is left out. No log, error or answer shows one.

        | variable | |
        | --- | --- |

        """
            + SecretSetting.allCases.map { secret in
                "| `\(secret.variableName)`, `\(secret.fileVariableName)` | \(secret.summary) |\n"
            }.joined()
    }

    private static func text(of section: SettingSection) -> String {
        let introduction = section.introduction.isEmpty ? "" : section.introduction + "\n\n"
        return """
            ## \(section.title)

            \(introduction)| option, variable | default | |
            | --- | --- | --- |

            """ + section.settings.map(row).joined()
    }

    private static func row(of setting: Setting) -> String {
        let standard = setting.standard
        let unit = setting.unit.isEmpty ? "" : " \(setting.unit)"
        let repeated = setting.isRepeatable ? " Can be given several times." : ""
        let remark = setting.remark.isEmpty ? "" : " \(setting.remark)"
        let names = "`\(setting.optionName)`<br>`\(setting.variableName)`"
        let text = "\(setting.summary): \(setting.allowed).".map(escaped).joined()
        return "| \(names) | \(standard.isEmpty ? "" : "`\(standard)`\(unit)") "
            + "| \(text)\(repeated)\(remark) |\n"
    }

    /// A star or a bar that is meant as such.
    private static func escaped(_ character: Character) -> String {
        character == "*" || character == "|" ? "\\\(character)" : String(character)
    }
}
