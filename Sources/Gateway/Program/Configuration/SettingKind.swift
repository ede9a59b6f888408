/// How the values of a setting are written, and which of them are allowed.
///
/// Texts are parsed at the start only, so these may be closures.
package struct SettingKind<Value>: Sendable {
    /// What stands for the value in `--help`.
    let valueName: String
    /// What is allowed, as the end of a sentence.
    let allowed: String
    /// Whether several values are one list.
    var isRepeatable = false
    /// `nil` for what isn't allowed.
    let parse: @Sendable (String) -> Value?
    /// A text that `parse` reads as this value.
    let text: @Sendable (Value) -> String
}

// MARK: Numbers and durations

/// The whole number in the text, which has digits alone. `Int(_:)` would also take a sign.
private func number(_ text: String, in range: ClosedRange<Int>) -> Int? {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
        let value = Int(text), range.contains(value)
    else { return nil }
    return value
}

extension SettingKind where Value == Int {
    static func number(_ range: ClosedRange<Int>) -> Self {
        Self(
            valueName: "number",
            allowed: "a number from \(range.lowerBound) to \(range.upperBound)",
            parse: { Gateway.number($0, in: range) }, text: { String($0) })
    }
}

extension SettingKind where Value == Int? {
    /// A number, or the word that stands for having none.
    static func number(_ range: ClosedRange<Int>, or word: String) -> Self {
        Self(
            valueName: "number/\(word)",
            allowed: "\(word), or a number from \(range.lowerBound) to \(range.upperBound)",
            parse: { $0 == word ? .some(nil) : Gateway.number($0, in: range).map { $0 } },
            text: { $0.map(String.init) ?? word })
    }
}

extension SettingKind where Value == Duration {
    static var duration: Self {
        duration(.milliseconds(10)...(.seconds(86_400)), examples: "500ms, 54s, 1m or 1h")
    }

    static func duration(_ range: ClosedRange<Duration>, examples: String) -> Self {
        Self(
            valueName: "duration",
            allowed: """
                a duration such as \(examples), from \(range.lowerBound.text) to \
                \(range.upperBound.text)
                """,
            parse: { text in Duration(text: text).flatMap { range.contains($0) ? $0 : nil } },
            text: { $0.text })
    }

    static func wholeSeconds(atMost longest: Duration) -> Self {
        Self(
            valueName: "duration",
            allowed: "whole seconds such as 0s, 30s or 2m, at most \(longest.text)",
            parse: { text in
                guard let value = Duration(text: text), value <= longest,
                    value.components.attoseconds == 0
                else { return nil }
                return value
            },
            text: { $0.text })
    }
}

extension SettingKind where Value == Duration? {
    /// A duration, or the word that stands for having none.
    static func duration(
        _ range: ClosedRange<Duration>, or word: String, examples: String
    ) -> Self {
        let kind = SettingKind<Duration>.duration(range, examples: examples)
        return Self(
            valueName: "duration/\(word)", allowed: "\(word), or \(kind.allowed)",
            parse: { $0 == word ? .some(nil) : kind.parse($0).map { $0 } },
            text: { $0.map(kind.text) ?? word })
    }
}

// MARK: Words

extension SettingKind where Value == Bool {
    static var toggle: Self {
        Self(
            valueName: "on/off", allowed: "on or off",
            parse: { text in
                switch text {
                case "on": true
                case "off": false
                default: nil
                }
            },
            text: { $0 ? "on" : "off" })
    }
}

extension SettingKind
where Value: RawRepresentable & CaseIterable & Sendable, Value.RawValue == String {
    /// One of the words of an enumeration. `allowed` lists them if more is to be said.
    static func choice(_ valueName: String, allowed: String? = nil) -> Self {
        let words = Value.allCases.map(\.rawValue)
        let list = words.dropLast().joined(separator: ", ") + " or " + (words.last ?? "")
        return Self(
            valueName: valueName, allowed: allowed ?? list, parse: { Value(rawValue: $0) },
            text: { $0.rawValue })
    }
}

// MARK: Files, names and addresses

extension SettingKind where Value == String {
    static func path(allowed: String = "a path") -> Self {
        Self(
            valueName: "path", allowed: allowed, parse: { $0.isEmpty ? nil : $0 }, text: { $0 })
    }

    /// The beginning of a channel's name, with nothing in it that an ACL of Redis takes for a pattern.
    static var channelPrefix: Self {
        Self(
            valueName: "prefix",
            allowed: "1 to 48 letters, digits, and - _ . :",
            parse: { text in
                let isAllowed = text.unicodeScalars.allSatisfy { scalar in
                    ("0"..."9").contains(scalar) || ("a"..."z").contains(scalar)
                        || ("A"..."Z").contains(scalar) || "-_.:".unicodeScalars.contains(scalar)
                }
                return isAllowed && (1...48).contains(text.utf8.count) ? text : nil
            },
            text: { $0 })
    }
}

extension SettingKind where Value == String? {
    /// The path of a file that may be left out.
    static var path: Self {
        Self(
            valueName: "path", allowed: "a path", parse: { .some($0.isEmpty ? nil : $0) },
            text: { $0 ?? "" })
    }
}

/// The names between commas; `nil` if one is empty. No text is no names.
private func list(_ text: String) -> [String]? {
    guard !text.isEmpty else { return [] }
    let names = text.split(separator: ",", omittingEmptySubsequences: false)
    return names.contains("") ? nil : names.map { String($0) }
}

extension SettingKind where Value == [String] {
    static var names: Self {
        Self(
            valueName: "names", allowed: "names, with commas between, of which one is enough",
            parse: { list($0) }, text: { $0.joined(separator: ",") })
    }
}

extension SettingKind where Value == [PublicKeyFile] {
    static var keyFiles: Self {
        Self(
            valueName: "paths",
            allowed: """
                paths with commas between; PS256:PATH for a key of RSA that is for PS256, not RS256
                """,
            parse: { text in
                let files = list(text)?.map { PublicKeyFile(text: $0) }
                return files?.contains { $0.path.isEmpty } == true ? nil : files
            },
            text: { $0.map(\.text).joined(separator: ",") })
    }
}

extension SettingKind where Value == ListenAddress {
    static var address: Self {
        Self(
            valueName: "address",
            allowed: "an address as IPv4:port or [IPv6]:port, port 0 for any free one",
            parse: { ListenAddress(text: $0) }, text: { $0.description })
    }
}

extension SettingKind where Value == OriginPolicy {
    static var origins: Self {
        Self(
            valueName: "origins",
            allowed: """
                same-host, *, null, https://app.example.com or https://*.example.com, or several \
                of them between commas
                """,
            isRepeatable: true, parse: { OriginPolicy(text: $0) }, text: { $0.description })
    }
}

extension SettingKind where Value == TrustedProxies {
    static var proxies: Self {
        Self(
            valueName: "addresses",
            allowed: "none, or up to 64 addresses and blocks such as 10.0.0.0/8",
            isRepeatable: true, parse: { TrustedProxies(text: $0) }, text: { $0.description })
    }
}
