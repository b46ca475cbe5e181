//! The configuration, as a [`Config`] with only valid values.
//!
//! Flags override the environment, the environment the file, the file the defaults. [`load`]
//! returns a whole `Config` or all [`Problems`] at once. It reads the file, and each secret file
//! once to check it; it does not watch them.

mod address;
mod cost;
mod env;
pub mod keys;
mod names;
mod problem;
mod raw;
mod resolve;
mod secret;
mod sections;
mod value;

use std::{
    collections::BTreeMap,
    fmt, fs,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

pub use address::{CpaUrl, ListenAddress, TelemetryPath};
pub use cost::{Billing, Cost, Fee};
pub use env::Env;
pub use problem::{Origin, Problem, Problems};
pub use secret::{Secret, SecretError};
pub use value::{ByteSize, CacheWrites, LogFormat, LogLevel, Mode};

use crate::platform;

use self::{
    cost::cost,
    raw::Layer,
    resolve::Resolver,
    sections::{accounts, aliases, cpa, limits, log, metrics, quota, storage, web},
};

/// The whole valid configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub cpa: Cpa,
    pub accounts: Accounts,
    pub quota: Quota,
    pub storage: Storage,
    pub web: Web,
    pub metrics: Metrics,
    pub aliases: Aliases,
    pub cost: Cost,
    pub limits: Limits,
    pub log: Log,
}

/// Address of CPA and ingest settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Cpa {
    pub url: CpaUrl,
    pub management_key: Secret,
    pub mode: Mode,
    pub poll_interval: Duration,
    pub http_poll_interval: Duration,
    pub check_interval: Duration,
    pub pop_bytes: ByteSize,
    pub manage_usage_statistics: bool,
    pub tls_ca_file: Option<PathBuf>,
}

/// Settings of the account directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounts {
    pub interval: Duration,
    /// Whether the page shows e-mail addresses.
    pub show_email: bool,
}

/// Settings of quota polling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    pub enabled: bool,
    pub interval: Duration,
    pub concurrency: NonZeroU32,
    pub timeout: Duration,
    /// File with additional accounts and providers.
    pub file: Option<PathBuf>,
}

/// Settings of the stored data.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub path: PathBuf,
    pub spool_limit: ByteSize,
    pub commit_interval: Duration,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    pub listen_address: ListenAddress,
    pub telemetry_path: TelemetryPath,
    pub enable_lifecycle: bool,
    /// Bearer token of `/api/v1`.
    pub api_token: Option<Secret>,
    pub max_connections: NonZeroU32,
    pub scrape_in_flight: NonZeroU32,
}

/// Settings of the telemetry path.
#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    pub zero_hold: Duration,
    pub exemplars: bool,
    pub caps: Caps,
}

/// Maximum number of values per label, and of series in total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    pub account: NonZeroU32,
    pub model: NonZeroU32,
    pub client: NonZeroU32,
    pub endpoint: NonZeroU32,
    pub code: NonZeroU32,
    pub limit: NonZeroU32,
    pub series: NonZeroU32,
}

/// Aliases of default labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases {
    /// By `auth_index` or default label; no two accounts share an alias.
    pub accounts: BTreeMap<String, String>,
    /// By masked label; several keys may share an alias.
    pub clients: BTreeMap<String, String>,
}

/// Local quotas, budgets and combos.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    pub file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// Values of the command line by path of the key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Flags {
    pub config_file: Option<PathBuf>,
    values: BTreeMap<String, String>,
}

impl Flags {
    /// `path` is the key's path, such as `cpa.poll_interval`.
    pub fn set(&mut self, path: impl Into<String>, value: impl Into<String>) {
        self.values.insert(path.into(), value.into());
    }
}

/// Names only: a value may be a secret when a program sets the flag.
impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flags")
            .field("config_file", &self.config_file)
            .field("given", &self.values.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// A valid value and its warnings.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    pub value: T,
    pub warnings: Vec<Problem>,
}

/// Reads the whole configuration.
pub fn load(flags: &Flags, env: &Env) -> Result<Loaded<Config>, Problems> {
    resolve(flags, env, |resolver| {
        let (cpa, accounts) = (cpa(resolver), accounts(resolver));
        let (quota, storage) = (quota(resolver), storage(resolver));
        let (web, metrics) = (web(resolver), metrics(resolver));
        let (aliases, cost) = (aliases(resolver), cost(resolver));
        let (limits, log) = (limits(resolver), log(resolver));
        let config = Config {
            cpa: cpa?,
            accounts: accounts?,
            quota: quota?,
            storage: storage?,
            web: web?,
            metrics: metrics?,
            aliases: aliases?,
            cost: cost?,
            limits: limits?,
            log: log?,
        };
        resolver.check_together(&config);
        Some(config)
    })
}

/// Reads only `[web]`: enough to query a running exporter's health, without the management key.
pub fn load_web(flags: &Flags, env: &Env) -> Result<Loaded<Web>, Problems> {
    resolve(flags, env, web)
}

/// Reads only `[storage]`: enough for commands on the stored data.
pub fn load_storage(flags: &Flags, env: &Env) -> Result<Loaded<Storage>, Problems> {
    resolve(flags, env, storage)
}

/// Reads the sections of the commands about costs: storage, prices and aliases.
pub fn load_money(flags: &Flags, env: &Env) -> Result<Loaded<(Storage, Cost, Aliases)>, Problems> {
    resolve(flags, env, |resolver| {
        let (storage, cost) = (storage(resolver), cost(resolver));
        let aliases = aliases(resolver);
        Some((storage?, cost?, aliases?))
    })
}

/// Reads `[storage]`, `[metrics]` and `[aliases]`: enough to write stored data with the page's
/// labels.
pub fn load_labels(
    flags: &Flags,
    env: &Env,
) -> Result<Loaded<(Storage, Metrics, Aliases)>, Problems> {
    resolve(flags, env, |resolver| {
        let (storage, metrics) = (storage(resolver), metrics(resolver));
        let aliases = aliases(resolver);
        Some((storage?, metrics?, aliases?))
    })
}

/// Reads only `[log]`: enough to start logging.
pub fn load_log(flags: &Flags, env: &Env) -> Result<Loaded<Log>, Problems> {
    resolve(flags, env, log)
}

/// The configuration file, if any: the flag's, else that of `CPA_EXPORTER_CONFIG_FILE`.
pub fn file_path(flags: &Flags, env: &Env) -> Option<PathBuf> {
    let from_env = || {
        env.get(raw::CONFIG_FILE_ENV)
            .filter(|path| !path.is_empty())
    };
    flags
        .config_file
        .clone()
        .or_else(|| from_env().map(PathBuf::from))
}

fn resolve<T>(
    flags: &Flags,
    env: &Env,
    build: impl FnOnce(&mut Resolver<'_>) -> Option<T>,
) -> Result<Loaded<T>, Problems> {
    let pairs = flags.values.iter();
    let on_command_line = raw::flags(pairs.map(|(path, value)| (path.as_str(), value.as_str())));
    let in_file = file_path(flags, env).map_or_else(Layer::default, |path| read(&path));
    let mut resolver = Resolver::new([on_command_line, raw::environment(env), in_file], env);
    let whole = build(&mut resolver);
    let (mut problems, warnings) = resolver.finish();
    match whole {
        Some(value) if problems.0.is_empty() => Ok(Loaded { value, warnings }),
        _ => {
            problems.sort();
            Err(problems)
        }
    }
}

fn read(path: &Path) -> Layer {
    match fs::read_to_string(path) {
        Ok(text) => raw::file(path, &text),
        Err(error) => {
            let origin = Origin::Path(path.to_path_buf());
            let remedy = platform::access_remedy(path, &error);
            let text = format!("cannot read the configuration file: {error}{remedy}");
            Layer {
                problems: vec![Problem::general(origin, text)],
                unread: true,
                ..Layer::default()
            }
        }
    }
}

#[cfg(test)]
mod tests;
