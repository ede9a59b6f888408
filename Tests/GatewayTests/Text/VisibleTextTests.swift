import Gateway
import Testing

@Suite struct VisibleTextBehaviour {
    @Test(arguments: [
        ("", ""), ("plain", "plain"), ("é 漢 \u{1F600} \\", "é 漢 \u{1F600} \\"),
        ("a\nb\rc\td", #"a\nb\rc\td"#), ("\u{0}\u{1B}[2J\u{7F}", #"\u0000\u001b[2J\u007f"#),
        ("\u{85}\u{9B}", #"\u0085\u009b"#), ("\u{2028}\u{2029}", #"\u2028\u2029"#),
        (
            "\u{202A}\u{202E}\u{2066}\u{2069}\u{200F}\u{61C}",
            #"\u202a\u202e\u2066\u2069\u200f\u061c"#
        ),
        ("\u{AD}\u{200B}\u{2060}\u{FEFF}", #"\u00ad\u200b\u2060\ufeff"#),
        ("\u{E0041}", #"\udb40\udc41"#), ("\r\n", #"\r\n"#),
    ])
    func `what steers, turns around or can't be seen is shown as an escape`(
        text: String, visible: String
    ) {
        #expect(text.visible == visible)
    }
}
