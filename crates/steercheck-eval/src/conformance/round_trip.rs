//! Texts that become ids and texts again.

use steercheck_model::{Result, Tokenizer};

use super::{Check, Grade};

pub(super) const NAME: &str = "tokenizer round trip";

/// Texts of our own: words, accents composed and not, other scripts, signs made of several characters, code, numbers, runs of
/// spaces and line breaks.
pub const TEXTS: [&str; 24] = [
    "a",
    "The cat sat on the mat.",
    "example:see-> saw\nexample:go->",
    "Q: France\nA: Paris\n\nQ: Japan\nA:",
    "don't, won't; it's \"quoted\" (twice) -- really?!",
    "ALL CAPITALS and MiXeD cAsE",
    "0 1 12 123 1234 12345.678 -9,000,000 3.14e-10 0x1F",
    "  two before, two  within, two after  ",
    "one\ttab\t\ttwo",
    "line\nline\n\nline\r\nline",
    "                deep",
    "def f(x: int) -> str:\n    return f\"{x!r:>8}\"  # done\n",
    "for (int i = 0; i < n; ++i) { a[i] &= ~b[i]; }",
    "<html lang=\"en\"><p>&amp;</p></html>",
    "https://example.org/a?b=c&d=%20#e",
    "café naïve Zürich Łódź Ærø ¿qué? ¡sí!",
    "cafe\u{301} noe\u{308}l",
    "Привет, мир. Γειά σου Κόσμε.",
    "שלום עולם مرحبا بالعالم",
    "नमस्ते दुनिया สวัสดีชาวโลก",
    "你好，世界。今日は、世界！안녕하세요 세계",
    "👍 🎉 👩\u{200d}👩\u{200d}👧 🇫🇷 ❤\u{fe0f}",
    "∑ᵢ xᵢ² ≤ ∞ → ½ · ﬁn Ａ",
    "x\u{a0}y\u{2003}z\u{200b}w",
];

/// Texts become ids and the same texts again.
///
/// A tokenizer may change a text by design: put it into lower case, compose accents, join spaces, have no token for a
/// character. Such a change must be there after the first round (the second changes nothing more) and may not touch more than case
/// and white space of a plain ASCII text; it is noted, and anything else fails.
pub fn round_trip(tokenizer: &Tokenizer) -> Result<Check> {
    let mut changed = Vec::new();
    for text in TEXTS {
        let once = tokenizer.decode(&tokenizer.encode_plain(text)?)?;
        if once == text {
            continue;
        }
        let twice = tokenizer.decode(&tokenizer.encode_plain(&once)?)?;
        if once != twice || (text.is_ascii() && bare(&once) != bare(text)) {
            let detail = format!("{} comes back as {}", quoted(text), quoted(&once));
            return Ok(Check::said(NAME, Grade::Failed, detail));
        }
        changed.push((text, once));
    }
    let n = TEXTS.len();
    Ok(match changed.first() {
        None => Check::said(NAME, Grade::Passed, format!("{n} texts come back as they were")),
        Some((text, once)) => {
            let (k, text, once) = (changed.len(), quoted(text), quoted(once));
            let detail =
                format!("{k} of {n} texts are changed, and no further by a second round; {text} becomes {once}");
            Check::said(NAME, Grade::Noted, detail)
        }
    })
}

/// Without case and white space.
fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase()
}

/// In quotes and escaped, its beginning if it is long.
fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(24).collect();
    format!("{shown:?}{}", if shown.len() < text.len() { "…" } else { "" })
}
