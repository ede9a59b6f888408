internal import Gateway

/// Where the commands meet the parts of the program that do their work.
enum Connected {
    /// Serves until a signal ends it.
    static func serve(_ configuration: Configuration) -> ProgramExit {
        missing("serve")
    }

    /// Applies the migrations of `configuration.migrationsDirectory`.
    static func migrate(_ configuration: Configuration) -> ProgramExit {
        missing("migrate")
    }

    /// Prints a token for `user` that is valid for `lifetime` from now.
    static func token(
        _ configuration: Configuration, user: UserID, lifetime: Duration
    ) -> ProgramExit {
        missing("token")
    }

    private static func missing(_ command: String) -> ProgramExit {
        Console.complain("\(command): this build doesn't have it")
        return .unavailable
    }
}
