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
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("cannot write")]
    Write(#[from] std::io::Error),
    #[error("a time is outside the calendar")]
    Calendar(#[from] jiff::Error),
}

/// Why a parameter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    #[error("there is no parameter {0:?} here")]
    Unknown(String),
    #[error("the parameter {0} is given twice")]
    Repeated(&'static str),
    #[error("parameter {name}: {problem}")]
    Invalid { name: &'static str, problem: String },
}

impl QueryError {
    /// Whether the question is wrong, and not the database.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::NoSuchName { .. }
            | Self::TimeFilter(_)
            | Self::Parameter(_)
            | Self::Calendar(_) => true,
            Self::Store(_) | Self::Write(_) => false,
        }
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; known: {}", names.join(", "))
    }
}
