internal import ArgumentParser
internal import Gateway

@main
struct DevhiveGateway: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "devhive-gateway")
}
