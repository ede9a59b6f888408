// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Only for `scripts/fuzz`: it needs libFuzzer, which a normal build doesn't link.
let fuzzing: [Target] =
    Context.environment["DEVHIVE_FUZZING"] == nil
    ? []
    : [
        // libFuzzer has the `main`.
        .executableTarget(
            name: "Fuzz", dependencies: ["FuzzTargets", "Reactor"], path: "Tests/Fuzz/Driver",
            swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]
        )
    ]

let package = Package(
    name: "DevHiveGateway",
    products: [
        .executable(name: "devhive-gateway", targets: ["GatewayExecutable"])
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    ],
    targets: [
        .target(
            name: "CEpollShim",
            linkerSettings: ["uring", "ssl", "crypto", "pq", "jansson", "z", ":libhiredis.a"].map {
                .linkedLibrary($0)
            }
        ),
        .target(name: "CMigrations"),
        .target(
            name: "Reactor",
            dependencies: ["CEpollShim"],
            swiftSettings: strict + [.enableExperimentalFeature("Lifetimes")]
        ),
        .target(
            name: "Gateway",
            dependencies: [
                "CMigrations", "Reactor", .product(name: "Logging", package: "swift-log"),
            ],
            exclude: ["Executable"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "GatewayExecutable",
            dependencies: [
                "Gateway", "Reactor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Sources/Gateway/Executable",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "LoadGenerator",
            dependencies: [
                "CEpollShim", "Gateway", "Reactor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/LoadGenerator",
            swiftSettings: strict
        ),
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: [
                "CAllocationCounter", "Gateway", "Reactor",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Benchmarks/Micro",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "AllocationCheck",
            dependencies: [
                "Gateway", "Reactor", "CAllocationCounter",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Benchmarks/AllocationCheck",
            swiftSettings: strict
        ),
        .target(
            name: "Simulation", dependencies: ["Gateway", "GatewayHarness", "Reactor"],
            path: "Tests/Simulation", exclude: ["Executable"], swiftSettings: strict),
        .executableTarget(
            name: "Simulate",
            dependencies: [
                "Gateway", "Simulation",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "Tests/Simulation/Executable",
            swiftSettings: strict
        ),
        .testTarget(
            name: "SimulationTests", dependencies: ["Gateway", "Simulation"],
            swiftSettings: strict),
        .executableTarget(
            name: "EchoServer",
            dependencies: ["Gateway", "Reactor"],
            path: "Tests/Conformance/EchoServer",
            swiftSettings: strict
        ),
        .target(
            name: "GatewayHarness",
            dependencies: ["Gateway", "Reactor", .product(name: "Logging", package: "swift-log")],
            path: "Tests/Harness", swiftSettings: strict
        ),
        .target(
            name: "FuzzTargets", dependencies: ["Gateway", "GatewayHarness", "Reactor"],
            path: "Tests/Fuzz/Targets", swiftSettings: strict
        ),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor"], swiftSettings: strict),
        .testTarget(
            name: "GatewayTests",
            dependencies: [
                "FuzzTargets", "Gateway", "GatewayHarness", "Reactor",
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict
        ),
    ] + fuzzing,
    swiftLanguageModes: [.v6]
)
