/// The program's version (semver.org), in one place: `--version`, the log and the metrics.
package enum Version {
    package static let current = "0.1.0"
}
