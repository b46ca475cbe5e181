//! How the program ends, as a number that scripts can rely on.

use std::process::ExitCode;

use super::complain;
use crate::config::Problems;

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// It did not work.
    Failed,
    /// Wrong command line (clap uses the same number) or configuration: a retry cannot help.
    Usage,
    /// Stopped before everything in hand was finished.
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

/// Says what went wrong, with its causes, and which code that is.
pub(super) fn report(error: &anyhow::Error) -> Exit {
    if let Some(problems) = error.downcast_ref::<Problems>() {
        complain(&problems.to_string());
        complain(&summary(problems));
        return Exit::Usage;
    }
    complain(&format!("cpa-exporter: {error:#}"));
    Exit::Failed
}

fn summary(problems: &Problems) -> String {
    match problems.0.len() {
        1 => "cpa-exporter: the configuration has 1 problem".to_owned(),
        count => format!("cpa-exporter: the configuration has {count} problems"),
    }
}
