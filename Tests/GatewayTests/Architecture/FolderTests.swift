import Reactor
import Testing

/// Which folder of `Sources/Gateway` may see which, by the types that its files mention.
private enum Folders {
    /// Facts that others pass around, bounds, and everything that turns bytes into values and back.
    static let records: Set<String> = ["Records", "Limits"]
    static let codecs: Set<String> = [
        "Text", "HTTP", "WebSocket", "Messages", "Auth", "Proxies",
    ]
    /// What the core is made of: none of them sees another.
    static let values: Set<String> = [
        "Clients", "Outbox", "Membership", "History", "Admission", "Hub", "Presence", "Bus",
        "Direct",
    ]
    /// What starts the loop and answers operators. They know each other.
    static let top: Set<String> = ["Program", "Supervisor", "Doctor", "Executable"]

    static let below = records.union(codecs)

    /// The folders whose types a folder may mention.
    static func seen(by folder: String) -> Set<String>? {
        switch folder {
        case "Records", "Limits": below
        case _ where codecs.contains(folder): below
        case _ where values.contains(folder): below
        case "Database": below
        // It writes down what has happened to whom: labels and lines, of what the codecs and the
        // sessions know.
        case "Observability": below.union(["Database"])
        case "Core": below.union(values).union(["Database", "Observability"])
        case "Loop": below.union(values).union(["Database", "Observability", "Core"])
        case _ where top.contains(folder):
            below.union(values).union(["Database", "Observability", "Core", "Loop"]).union(top)
        default: nil
        }
    }

    /// An arrow that the table above doesn't have, and why it is there.
    struct Exception {
        let from: String
        let to: String
        let types: Set<String>
        let reason: String
    }

    static let exceptions = [
        Exception(
            from: "History", to: "Database", types: ["EventsQuery"],
            reason: "how many projects one statement asks about stands with the statement"),
        Exception(
            from: "Membership", to: "Database", types: ["DatabaseQuery"],
            reason: "how many batches may be under way stands with the session that bounds them"),
        Exception(
            from: "Loop", to: "Program",
            types: ["BusSecrets", "Configuration", "ConfigurationError", "TokenKeys"],
            reason: "on SIGHUP the server reads the files again that the options name"),
    ]

    static func isAllowed(_ type: String, from folder: String, to other: String) -> Bool {
        seen(by: folder)?.contains(other) == true
            || exceptions.contains {
                $0.from == folder && $0.to == other && $0.types.contains(type)
            }
    }

    /// Types of `Reactor` that own a descriptor, or send to one.
    static let descriptorTypes: Set<String> = [
        "Poller", "ListeningSocket", "LocalListeningSocket", "ClientSocket", "OutboundSocket",
        "InheritedSocket", "SignalDescriptor", "SendBatch", "TLSSessionTable", "OwnedDescriptor",
        "AddressReservation", "HostResolver",
    ]
    /// libpq has sockets of its own.
    static let connectionTypes: Set<String> = [
        "PostgresConnection", "BlockingPostgresConnection",
    ]
}

/// The files of `Sources/Gateway`, by their folder.
private struct GatewayFiles {
    struct File {
        let path: String
        let text: SwiftText
    }

    var files: [String: [File]] = [:]
    /// The folder that declares a type.
    var folders: [String: String] = [:]

    init() throws {
        let root = "\(Sources.root)/Gateway"
        for folder in try Directory.names(at: root, endingIn: "", max: 1_000) {
            for path in try Sources.files(below: "\(root)/\(folder)") {
                let text = SwiftText(try FileContents.text(at: path, bytesMax: 1 << 20))
                files[folder, default: []].append(File(path: path, text: text))
                for name in text.declared { folders[name] = folder }
            }
        }
    }

    /// Types within types of a folder: where one bears the name of another folder's type, it is the
    /// one that is meant.
    func nested(in folder: String) -> Set<String> {
        files[folder, default: []].reduce(into: []) { $0.formUnion($1.text.nested) }
    }

    /// Each mention of another folder's type.
    func mentions() -> [(file: File, from: String, type: String, to: String)] {
        var mentions: [(file: File, from: String, type: String, to: String)] = []
        for (folder, files) in files {
            let hidden = nested(in: folder)
            for file in files {
                for word in file.text.words.subtracting(hidden).sorted() {
                    guard let other = folders[word], other != folder else { continue }
                    mentions.append((file, folder, word, other))
                }
            }
        }
        return mentions
    }
}

@Suite struct FolderBehaviour {
    @Test func `a folder of the program mentions types of those below it alone`() throws {
        let mentions = try GatewayFiles().mentions()
        #expect(mentions.count > 300)
        for (file, from, type, to) in mentions {
            let isAllowed = Folders.isAllowed(type, from: from, to: to)
            #expect(isAllowed, "\(file.path) mentions \(type), which is \(to)'s")
        }
    }

    @Test func `each folder has its place, and each exception is needed`() throws {
        let gateway = try GatewayFiles()
        for folder in gateway.files.keys {
            #expect(Folders.seen(by: folder) != nil, "\(folder) has no place")
        }
        let mentions = gateway.mentions()
        for exception in Folders.exceptions {
            for type in exception.types {
                let isUsed = mentions.contains {
                    $0.from == exception.from && $0.to == exception.to && $0.type == type
                }
                #expect(isUsed, "\(exception.from) mentions no \(type): \(exception.reason)")
            }
        }
    }

    @Test func `descriptors are the loop's, and of those who start it`() throws {
        let gateway = try GatewayFiles()
        let owners = Folders.top.union(["Loop"])
        var found: Set<String> = []
        for (folder, files) in gateway.files {
            for file in files {
                var forbidden: Set<String> = []
                if !owners.contains(folder) { forbidden.formUnion(Folders.descriptorTypes) }
                if !owners.union(["Database"]).contains(folder) {
                    forbidden.formUnion(Folders.connectionTypes)
                }
                let mentioned = file.text.words.intersection(forbidden).sorted()
                #expect(mentioned.isEmpty, "\(file.path) mentions \(mentioned)")
                if folder == "Loop" {
                    found.formUnion(file.text.words.intersection(Folders.descriptorTypes))
                }
            }
        }
        #expect(found.isSuperset(of: ["Poller", "ListeningSocket", "SendBatch", "ClientSocket"]))
    }

    @Test func `types are told from what only looks like them`() {
        let text = SwiftText(
            #"""
            /// A Comment of struct Documented.
            package struct Declared: ~Copyable {
                private enum Nested { case one }
            }
            /* enum Hidden {} */
            extension Extended { struct Within {} }
            private class Alone {}
            @safe final class Marked {}
            let text = "struct Quoted \" enum Escaped"; let other: Used
            let raw = #"enum Raw "still""#
            indirect enum Indirect {}
            package typealias Alias = Other
            """#)
        #expect(text.declared == ["Declared", "Marked", "Indirect", "Alias"])
        #expect(text.nested == ["Nested"])
        #expect(text.words.isSuperset(of: ["Extended", "Used", "Other", "Alone"]))
        let absent = ["Comment", "Documented", "Hidden", "Quoted", "Escaped", "Raw", "still"]
        #expect(text.words.isDisjoint(with: absent))
    }
}
