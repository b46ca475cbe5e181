//! Exit codes.

use std::process::ExitCode;

use super::note;
use crate::config::Problems;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The command succeeded.
    Success,
    /// The command failed.
    Failed,
    /// Wrong command line (clap uses the same code) or configuration: a retry cannot help.
    Usage,
    /// Stopped before all work was finished.
    Unfinished,
}

impl Exit {
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unfinished => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Prints the error with its causes and returns its exit code.
pub(super) fn report(error: &anyhow::Error) -> Exit {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        note(&problems.to_string());
        note(&summary(problems));
        return Exit::Usage;
    }
    note(&format!("cpa-exporter: {error:#}"));
    Exit::Failed
}

fn summary(problems: &Problems) -> String {
    match problems.0.len() {
        1 => "cpa-exporter: the configuration has 1 problem".to_owned(),
        count => format!("cpa-exporter: the configuration has {count} problems"),
    }
}
