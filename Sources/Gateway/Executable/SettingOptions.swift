internal import ArgumentParser
internal import Gateway

/// The options that are settings, one for each entry of the table. They are taken as text here and
/// parsed by `Configuration`, where variables are read too: one place decides what is allowed.
///
/// The library finds options by reflection, in the properties of a type, and decodes them by the
/// properties' names. Here the mirror shows settings where properties would be, so that nobody has to
/// write a property for each. An upgrade of the library that looks for them in another way would leave
/// no option at all, which the end-to-end tests notice at their first start.
struct SettingOptions: ParsableArguments {
    /// What was given, by the names of the settings.
    private(set) var given: [String: String] = [:]

    init() {}

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        for setting in Setting.all {
            let key = Key(stringValue: setting.name)
            if setting.isRepeatable {
                let texts = try container.decode(Option<[String]>.self, forKey: key).wrappedValue
                // As the variable has it in one.
                given[setting.name] = texts.isEmpty ? nil : texts.joined(separator: ",")
            } else {
                given[setting.name] =
                    try container.decode(Option<String?>.self, forKey: key).wrappedValue
            }
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

extension SettingOptions: CustomReflectable {
    var customMirror: Mirror {
        Mirror(
            self,
            children: Setting.all.map { setting in
                let option: Any =
                    setting.isRepeatable
                    ? Option(wrappedValue: [], setting) : Option<String?>(setting)
                return (label: setting.name, value: option)
            })
    }
}

extension Option where Value == [String] {
    /// The option of a setting that may be given several times.
    fileprivate init(wrappedValue: [String], _ setting: Setting) {
        self.init(
            wrappedValue: wrappedValue, name: .customLong(setting.name), parsing: .singleValue,
            help: setting.help)
    }
}

extension Option where Value == String? {
    /// The option of a setting, named, explained and defaulted as the setting is.
    init(_ setting: Setting) {
        self.init(name: .customLong(setting.name), help: setting.help)
    }
}

extension Setting {
    fileprivate var help: ArgumentHelp {
        ArgumentHelp(
            "\(summary): \(allowed). [\(variableName)]"
                + (standard.isEmpty ? "" : " (\(standard))"),
            valueName: valueName)
    }
}
