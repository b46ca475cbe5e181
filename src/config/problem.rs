//! Errors and warnings about the configuration, with their place.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Line and column count from 1.
    File {
        path: Arc<Path>,
        line: usize,
        column: usize,
    },
    /// A file that cannot be read.
    Path(PathBuf),
    Environment(String),
    Flag(String),
    /// The key's default.
    Default,
}

impl Origin {
    /// The file and the line in it.
    pub(super) fn line(&self) -> Option<(&Path, usize)> {
        if let Self::File { path, line, .. } = self {
            return Some((&**path, *line));
        }
        None
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag --{flag}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// An error or a warning. Never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    pub key: Option<String>,
    pub text: String,
}

impl Problem {
    pub(super) fn new(origin: Origin, key: &str, text: impl Into<String>) -> Self {
        Self {
            origin,
            key: Some(key.to_owned()),
            text: text.into(),
        }
    }

    pub(super) fn general(origin: Origin, text: impl Into<String>) -> Self {
        Self {
            origin,
            key: None,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", self.origin)?;
        }
        // Flags and variables are named after their key.
        let named = matches!(self.origin, Origin::Flag(_) | Origin::Environment(_));
        if let Some(key) = self.key.as_ref().filter(|_| !named) {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// All problems, one line each, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Problems {
    /// Problems of files first, file by file and by line; then those of environment, flags and
    /// missing keys.
    pub(super) fn sort(&mut self) {
        let mut files: Vec<Arc<Path>> = Vec::new();
        for problem in &self.0 {
            if let Origin::File { path, .. } = &problem.origin
                && !files.contains(path)
            {
                files.push(Arc::clone(path));
            }
        }
        self.0.sort_by_key(|problem| match &problem.origin {
            Origin::Path(_) => (0, 0, 0, 0),
            Origin::File { path, line, column } => {
                let file = files.iter().position(|file| file == path);
                (1, file.unwrap_or(0), *line, *column)
            }
            Origin::Environment(_) => (2, 0, 0, 0),
            Origin::Flag(_) => (3, 0, 0, 0),
            Origin::Default => (4, 0, 0, 0),
        });
    }
}

/// The most similar candidate for a misspelled name.
pub(super) fn did_you_mean<'a>(
    typed: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (typed.chars().count() / 3).clamp(1, 4);
    candidates
        .map(|candidate| (distance(typed, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in which a swap of two neighbours costs 1.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let mut two_ago: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=a.len()).collect();
    let mut previous = None;
    for (row, right) in b.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, left) in a.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let substituted = at(&last, column) + usize::from(*left != right);
            let inserted = at(&last, column + 1) + 1;
            let deleted = at(&current, column) + 1;
            let mut best = substituted.min(inserted).min(deleted);
            let before = column.checked_sub(1);
            let swapped =
                before.filter(|&before| a.get(before) == Some(&right) && previous == Some(*left));
            if let Some(before) = swapped {
                best = best.min(at(&two_ago, before).saturating_add(1));
            }
            current.push(best);
        }
        two_ago = std::mem::replace(&mut last, current);
        previous = Some(right);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits_and_swaps() {
        for (a, b, expected) in [
            ("", "abc", 3),
            ("abc", "", 3),
            ("url", "url", 0),
            ("ulr", "url", 1),
            ("managment_key", "management_key", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_similar_names_are_suggested() {
        let keys = ["url", "mode", "poll_interval"];
        let suggest = |typed| did_you_mean(typed, keys.into_iter());
        assert_eq!(suggest("poll_intervall"), Some("poll_interval"));
        assert_eq!(suggest("mdoe"), Some("mode"));
        assert_eq!(suggest("colour"), None);
    }
}
