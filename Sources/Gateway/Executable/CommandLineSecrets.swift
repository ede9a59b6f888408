internal import Gateway

/// Looks for secrets on the command line, where every user of the machine can read them
/// (`/proc/PID/cmdline`), and shells keep them in their histories.
enum CommandLineSecrets {
    /// Why the arguments are refused; `nil` when there is no secret in them. What was found isn't in
    /// it, and nothing else has looked at the arguments yet that might quote them.
    static func refusal(_ arguments: [String]) -> String? {
        for argument in arguments {
            for secret in SecretSetting.allCases where isOption(argument, of: secret) {
                return reason(secret)
            }
            // A connection string in the wrong place: it would be quoted as an unexpected argument.
            if argument.contains("postgres://") || argument.contains("postgresql://") {
                return reason(.databaseURL)
            }
            if ["redis://", "rediss://", "redis+sentinel://", "rediss+sentinel://"]
                .contains(where: { argument.contains($0) })
            {
                return reason(.redisURL)
            }
        }
        return nil
    }

    /// Whether it is `--jwt-secret` or `--jwt-secret=…`, with one dash or two.
    private static func isOption(_ argument: String, of secret: SecretSetting) -> Bool {
        guard argument.hasPrefix("-") else { return false }
        let name = argument.drop { $0 == "-" }.prefix { $0 != "=" }
        return name.lowercased().map { $0 == "-" ? "_" : $0 }.elementsEqual(
            secret.variableName.lowercased())
    }

    private static func reason(_ secret: SecretSetting) -> String {
        """
        \(secret.variableName) is not taken from the command line, which every user of this host \
        can read: set it in the environment, or name a file with it in \
        \(secret.fileVariableName). One that was given here should be replaced.
        """
    }
}
