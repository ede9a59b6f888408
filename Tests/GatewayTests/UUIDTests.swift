import Gateway
import Testing

@Suite struct UUIDBehaviour {
    @Test func `the text form survives reading and writing, in lower case`() {
        let text = "0F8FAD5B-d9cb-469f-a165-70867728950e"
        #expect(UUID(text: text)?.description == text.lowercased())
    }

    @Test(arguments: [
        "", "0f8fad5bd9cb469fa16570867728950e", "{0f8fad5b-d9cb-469f-a165-70867728950e}",
        "0f8fad5b-d9cb-469f-a165-70867728950", "0f8fad5b-d9cb-469f-a165-70867728950e0",
        "0f8fad5bd-9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950g",
        " 0f8fad5b-d9cb-469f-a165-70867728950e",
    ])
    func `anything but the hyphenated form is refused`(text: String) {
        #expect(UUID(text: text) == nil)
    }
}
