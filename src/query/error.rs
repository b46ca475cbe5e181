use crate::store::StoreError;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("cannot read the database")]
    Store(#[from] StoreError),
    #[error("no stored event has {group} {name:?}{}", list(.known))]
    NoSuchName {
        group: &'static str,
        name: String,
        /// Some of the names that exist.
        known: Vec<String>,
    },
    #[error("{0} cannot be a filter; select the time by its range")]
    TimeFilter(&'static str),
    #[error("cannot write")]
    Write(#[from] std::io::Error),
    #[error("a time is outside the calendar")]
    Calendar(#[from] jiff::Error),
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; known: {}", names.join(", "))
    }
}
