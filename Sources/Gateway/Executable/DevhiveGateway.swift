internal import ArgumentParser
internal import Gateway

/// The command line's root. What it does is in the commands beside it.
@main
struct DevhiveGateway: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devhive-gateway",
        abstract: "Tells browsers over WebSockets what changed in the database.",
        discussion: """
            Secrets are read from the environment: DATABASE_URL and JWT_SECRET, or the files that \
            DATABASE_URL_FILE and JWT_SECRET_FILE name. Every other setting is an option and a \
            variable; the option goes first.

            Exit codes: 0 done; 64 wrong usage or configuration; 69 something needed is not \
            available; 70 internal error.
            """,
        version: Version.current,
        subcommands: [
            Serve.self, WorkerProcess.self, Migrate.self, Token.self, Check.self,
            DoctorCommand.self, DescribeOptions.self,
        ],
        defaultSubcommand: Serve.self)

    static func main() {
        guard Console.openStandardDescriptors() else {
            exit(withError: ExitCode(ProgramExit.internalError.rawValue))
        }
        if let refusal = CommandLineSecrets.refusal(Array(CommandLine.arguments.dropFirst())) {
            Console.complain(refusal)
            exit(withError: ExitCode(ProgramExit.usage.rawValue))
        }
        main(nil)
    }
}
