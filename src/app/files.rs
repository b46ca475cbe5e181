//! Validation of the files that the configuration names, at the start: errors in them are
//! configuration errors, reported together with the others and with the same exit code.

use std::fmt;

use super::{account_tasks, cpa, limits_file, prices};
use crate::config::{Config, Origin, Problem, Problems};

/// Returns all problems of the files.
pub(crate) fn check(config: &Config) -> Result<(), Problems> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, error: anyhow::Error| match error.downcast::<Problems>() {
        Ok(several) => problems.extend(several.0),
        Err(error) => problems.push(about(key, &format_args!("{error:#}"))),
    };
    if let Err(error) = cpa::transport(&config.cpa) {
        wrong("cpa.tls_ca_file", error);
    }
    if let Err(error) = account_tasks::quota_file(config) {
        wrong("quota.file", error.into());
    }
    match prices::commands_file(&config.storage.path) {
        Err(error) => wrong("storage.path", error),
        Ok(commands) => match prices::table(commands, &config.cost) {
            Err(error) => wrong("cost.price_file", error),
            Ok(table) => {
                if let Err(error) = prices::references(&config.cost, &table) {
                    wrong("cost.references", error);
                }
            }
        },
    }
    if let Err(error) = limits_file::load(&config.limits) {
        wrong("limits.file", error);
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Problems(problems))
    }
}

fn about(key: &str, text: &impl fmt::Display) -> Problem {
    Problem {
        origin: Origin::Default,
        key: Some(key.to_owned()),
        text: text.to_string(),
    }
}
