/// One setting. This description of it is all that there is: the command line, the environment,
/// `devhive-gateway check`, docs/configuration.md and the errors are made of it.
///
/// `Setting.sections` has them all, in Configuration.swift, beside the properties that they fill.
/// No setting is a secret: those are variables only, see `SecretSetting`.
package struct Setting: Sendable {
    /// The option without its dashes: `ping-interval`.
    package let name: String
    /// What the setting is, in a few words, for `--help` and the documentation.
    package let summary: String
    /// What a number counts, such as `bytes`; empty if that goes without saying.
    package let unit: String
    /// What else is good to know, for the documentation alone, in Markdown. May be empty.
    package let remark: String
    /// What is allowed, for `--help`, the documentation and errors.
    package let allowed: String
    /// What stands for the value in `--help`: `--listen <address>`.
    package let valueName: String
    /// Whether the option may be given several times; the variable has commas between.
    package let isRepeatable: Bool
    /// Where the value is kept. It tells the setting apart from others in the code.
    private let property: any PartialKeyPath<Configuration> & Sendable
    private let parse: @Sendable (String, inout Configuration) -> Bool
    private let format: @Sendable (Configuration) -> String

    package init<Value>(
        _ name: String, _ property: any WritableKeyPath<Configuration, Value> & Sendable,
        _ kind: SettingKind<Value>, _ summary: String, unit: String = "", remark: String = ""
    ) {
        self.name = name
        self.summary = summary
        self.unit = unit
        self.remark = remark
        self.property = property
        allowed = kind.allowed
        valueName = kind.valueName
        isRepeatable = kind.isRepeatable
        parse = { text, configuration in
            guard let value = kind.parse(text) else { return false }
            configuration[keyPath: property] = value
            return true
        }
        format = { kind.text($0[keyPath: property]) }
    }

    /// Every setting, in the order in which they are listed everywhere.
    package static let all: [Setting] = sections.flatMap(\.settings)

    /// The setting that fills the property. A property that no setting fills is a mistake here.
    package static subscript(_ property: PartialKeyPath<Configuration>) -> Setting {
        guard let setting = all.first(where: { $0.property == property }) else {
            preconditionFailure("no setting fills \(property)")
        }
        return setting
    }

    /// `--ping-interval`.
    package var optionName: String { "--" + name }

    /// `DEVHIVE_PING_INTERVAL`.
    package var variableName: String {
        Self.variablePrefix + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    package static let variablePrefix = "DEVHIVE_"

    /// The setting's value, as `set` would read it.
    package func text(in configuration: Configuration) -> String { format(configuration) }

    /// The text of the default; empty if there is none.
    package var standard: String { text(in: Configuration()) }

    /// Sets the value from its text. `source` is where the text stands, for the error.
    package func set(
        _ configuration: inout Configuration, to text: String, source: String
    ) throws(ConfigurationError) {
        guard parse(text, &configuration) else {
            throw ConfigurationError(source: source, value: text, reason: allowed)
        }
    }
}

/// Settings that belong together, under one heading of the documentation.
package struct SettingSection: Sendable {
    package let title: String
    /// What holds for all of them, in Markdown. May be empty.
    package let introduction: String
    package let settings: [Setting]

    package init(_ title: String, introduction: String = "", _ settings: [Setting]) {
        self.title = title
        self.introduction = introduction
        self.settings = settings
    }
}
