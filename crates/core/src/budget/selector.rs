/// A case-insensitive pattern of `*` (any characters) and `?` (any one character).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Box<[char]>);

impl Glob {
    pub fn new(pattern: &str) -> Self {
        Self(pattern.chars().flat_map(char::to_lowercase).collect())
    }

    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut pattern, mut rest) = (&*self.0, &*text);
        // Where to resume if the characters after the latest star do not match.
        let mut again: Option<(&[char], &[char])> = None;
        loop {
            match (pattern.split_first(), rest.split_first()) {
                (Some(('*', behind)), _) => {
                    again = Some((behind, rest));
                    pattern = behind;
                }
                (Some((p, behind)), Some((c, left))) if *p == '?' || p == c => {
                    (pattern, rest) = (behind, left);
                }
                (None, None) => return true,
                _ => match again.and_then(|(p, text)| Some((p, text.get(1..)?))) {
                    Some((p, text)) => {
                        again = Some((p, text));
                        (pattern, rest) = (p, text);
                    }
                    None => return false,
                },
            }
        }
    }
}

/// A set of patterns; an empty set matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

impl Globs {
    pub fn new(patterns: &[&str]) -> Self {
        Self(patterns.iter().map(|pattern| Glob::new(pattern)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of an object's names matches.
    pub(super) fn accept(&self, texts: &[Box<str>]) -> bool {
        self.is_empty() || self.matches_any(texts)
    }

    /// Like [`Self::accept`], but an empty set matches nothing.
    pub(super) fn matches_any(&self, texts: &[Box<str>]) -> bool {
        let mut globs = self.0.iter();
        globs.any(|glob| texts.iter().any(|text| glob.matches(text)))
    }
}

/// Selects the events that a rule counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// By the record's provider, which is the executor.
    pub providers: Globs,
    /// By index, default label or alias.
    pub accounts: Globs,
    /// By masked label or alias.
    pub clients: Globs,
    /// By upstream model.
    pub models: Globs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glob_matches_the_whole_text() {
        for (pattern, text, expected) in [
            ("glm", "glm", true),
            ("glm", "GLM", true),
            ("glm", "glm-4.7", false),
            ("glm*", "glm-4.7", true),
            ("*4.7", "glm-4.7", true),
            ("*4?7*", "glm-4.7-air", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "axbxbx", false),
            ("a*ab", "aaab", true),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
            ("é?", "éx", true),
            ("*.*.*", "a.b", false),
        ] {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        let hostile = "*a".repeat(40);
        assert!(!Glob::new(&hostile).matches(&"a".repeat(30)));
    }

    #[test]
    fn empty_glob_set_accepts_all_and_names_none() {
        let texts = ["codex-37e10d".into(), "work".into()];
        assert!(Globs::default().accept(&texts) && !Globs::default().matches_any(&texts));
        assert!(Globs::new(&["x", "WORK"]).accept(&texts));
        assert!(!Globs::new(&["x"]).accept(&texts));
    }
}
