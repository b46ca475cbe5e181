//! Files that the configuration names: reading them, and errors with their place.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// An error in a file. Contains no values: one could be a secret.
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

/// A part of a file, for error messages.
#[derive(Clone, Debug)]
pub(super) struct Place {
    path: PathBuf,
    place: String,
}

impl Place {
    /// An element of an array of tables, by its name.
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

/// Reads a TOML file.
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

/// Drops quoted values from a parser's message and keeps the expected kind.
fn without_values(message: &str) -> String {
    match message.split_once("expected ") {
        Some((before, expected)) if before.contains("invalid") || before.contains("variant") => {
            format!("expected {expected}")
        }
        _ => message.to_owned(),
    }
}
