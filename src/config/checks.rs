//! Checks of keys that depend on each other.

use super::{
    Config,
    gateway::read_dsn,
    problem::{Origin, Problem},
    resolve::Resolver,
};

/// Checks limits that depend on each other.
pub(super) fn limits(resolver: &mut Resolver<'_>, config: &Config) {
    let least = config.cpa.pop_bytes.get().saturating_mul(4);
    if config.storage.spool_limit.get() < least {
        let key = "storage.spool_limit";
        let text = format!(
            "{} has no room for four pops of cpa.pop_bytes = {}",
            config.storage.spool_limit, config.cpa.pop_bytes
        );
        resolver
            .problems
            .push(Problem::new(resolver.origin(key), key, text));
    }
}

/// Warns of a server that other machines can reach without authentication.
pub(super) fn web(resolver: &mut Resolver<'_>, config: &Config) {
    if config.web.is_open_to_others() {
        let key = "web.listen_address";
        let text = "other machines can reach this address without authentication; web.config.file \
                    adds it, 127.0.0.1 keeps them out";
        let warning = Problem::new(resolver.origin(key), key, text);
        resolver.warnings.push(warning);
    }
}

/// Checks where the gateway's databases are, and the content of the files that say it.
pub(super) fn gateway(resolver: &mut Resolver<'_>, config: &Config) {
    let gateway = &config.gateway;
    let pairs = [
        (
            "gateway.dsn",
            &gateway.dsn,
            "gateway.dsn_file",
            &gateway.dsn_secret,
        ),
        (
            "gateway.log_dsn",
            &gateway.log_dsn,
            "gateway.log_dsn_file",
            &gateway.log_dsn_secret,
        ),
    ];
    let mut problems = Vec::new();
    for (key, dsn, file_key, file) in pairs {
        let origin = resolver.origin(key);
        if let Some(dsn) = dsn
            && dsn.has_password()
            && matches!(origin, Origin::Flag(_))
        {
            let flag = file_key.replace('_', "-");
            let text = format!(
                "everybody on this machine can read a password on the command line: write the URL \
                 into a file that only the exporter can read, and give that with --{flag}"
            );
            problems.push(Problem::new(origin.clone(), key, text));
        }
        if dsn.is_some() && file.is_some() {
            let text = format!("{key} and {file_key} exclude each other");
            problems.push(Problem::new(origin, key, text));
        }
        if let Some(Err(text)) = file.as_ref().map(read_dsn) {
            problems.push(Problem::new(resolver.origin(file_key), file_key, text));
        }
    }
    let is_there = gateway.dsn.is_some() || gateway.dsn_secret.is_some();
    let has_log = gateway.log_dsn.is_some() || gateway.log_dsn_secret.is_some();
    if has_log && !is_there {
        let text = "the database of channels and tokens is missing: set gateway.dsn or gateway.dsn_file too";
        problems.push(Problem::new(Origin::Default, "gateway.dsn", text));
    }
    if !config.cpa.enabled && !is_there {
        let text = "nothing to read: with cpa.enabled = false set gateway.dsn or gateway.dsn_file";
        problems.push(Problem::new(
            resolver.origin("cpa.enabled"),
            "cpa.enabled",
            text,
        ));
    }
    resolver.problems.extend(problems);
}
