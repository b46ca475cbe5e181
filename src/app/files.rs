//! Loads the configuration with the files whose content other modules check: errors in them are
//! configuration errors, reported together with the others and with the same exit code.

use std::fmt;

use super::{cpa, prices};
use crate::config::{self, Config, Env, Flags, Loaded, Origin, Problem, Problems};

/// Reads the configuration and all files that it names.
pub(crate) fn load(flags: &Flags, env: &Env) -> Result<Loaded<Config>, Problems> {
    config::load_and_check(flags, env, check)
}

fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut wrong = |key: &str, error: anyhow::Error| match error.downcast::<Problems>() {
        Ok(several) => problems.extend(several.0),
        Err(error) => problems.push(about(key, &format_args!("{error:#}"))),
    };
    if let Err(error) = cpa::transport(&config.cpa) {
        wrong("cpa.tls_ca_file", error);
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
    problems
}

fn about(key: &str, text: &impl fmt::Display) -> Problem {
    Problem {
        origin: Origin::Default,
        key: Some(key.to_owned()),
        text: text.to_string(),
    }
}
