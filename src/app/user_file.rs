//! Files of the user's beside the configuration: reading one, and saying what is wrong with it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// What is wrong with a file. Values are never quoted: one could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{0} cannot be read")]
    Read(PathBuf, #[source] std::io::Error),
    #[error("{path}, line {line}: {message}")]
    Syntax {
        path: PathBuf,
        line: usize,
        message: String,
    },
    #[error("{path}, {place}: {message}")]
    Value {
        path: PathBuf,
        place: String,
        message: &'static str,
    },
}

/// A part of a file that something may be wrong with.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    place: String,
}

impl Place {
    /// A table of a list, by its name.
    pub(super) fn new(path: &Path, table: &str, name: &str) -> Self {
        Self::top(path, format!("{table} {name:?}"))
    }

    pub(super) fn top(path: &Path, place: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            place: place.into(),
        }
    }

    pub(super) fn wrong(&self, message: &'static str) -> FileError {
        FileError::Value {
            path: self.path.clone(),
            place: self.place.clone(),
            message,
        }
    }
}

/// Reads a file of TOML.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = fs::read_to_string(path).map_err(|e| FileError::Read(path.to_owned(), e))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        let before = text.get(..at).unwrap_or_default();
        FileError::Syntax {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            message: without_values(error.message()),
        }
    })
}

/// What the parser says about a value begins with what it expected instead; quotes are left out.
fn without_values(message: &str) -> String {
    match message.split_once("expected ") {
        Some((before, expected)) if before.contains("invalid") || before.contains("variant") => {
            format!("expected {expected}")
        }
        _ => message.to_owned(),
    }
}
