/// Nearly every suite drives something with it, so all files of the target see it.
@_exported import GatewayHarness
