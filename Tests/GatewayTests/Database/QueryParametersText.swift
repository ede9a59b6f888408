import Reactor

extension QueryParameters {
    /// Parameters in text format, or none.
    static func texts(_ texts: [String] = []) -> QueryParameters {
        var parameters = QueryParameters()
        for text in texts { parameters.append(text: text) }
        return parameters
    }
}
