//! Invisible characters.

/// Control characters, zero-width characters and characters that change the text direction: they
/// make different labels look alike and make lines of a table or a log misleading. Unicode's
/// `Default_Ignorable_Code_Point`, plus line separators and annotations.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `text` has invisible characters. Nearly all texts are ASCII, which needs no look at each
/// character.
pub fn has_invisible(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.contains(is_invisible)
    }
}

/// `text` without invisible characters.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_removed_and_letters_of_all_scripts_kept() {
        assert_eq!(
            visible("a\u{200b}b\u{202e}c\u{feff}d\u{2066}e\u{7}\n"),
            "abcde"
        );
        for text in ["a\u{7}", "\u{7f}", "é\u{200b}"] {
            assert!(has_invisible(text), "{text:?}");
        }
        for text in ["", "a b", "café β", "người dùng", "工作", "حساب", "🤖 x"] {
            assert_eq!(visible(text), text);
            assert!(!has_invisible(text), "{text:?}");
        }
    }
}
