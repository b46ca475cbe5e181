//! The configuration, as a [`Config`] with only valid values.
//!
//! Flags override the environment, the environment the file, the file the defaults. [`load`]
//! returns a whole `Config` or all [`Problems`] at once. It reads the file, and each secret file
//! once to check it; it does not watch them.

mod address;
mod checks;
mod env;
mod fields;
mod gateway;
mod input;
mod key;
pub mod keys;
mod limits_file;
mod problem;
mod quota_file;
mod raw;
mod resolve;
mod secret;
mod section;
mod settings;
mod tables;
mod value;
mod web_file;
mod yaml;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

pub use address::{CpaUrl, ListenAddress, TelemetryPath};
pub use env::Env;
pub use fields::FilePath;
pub(crate) use gateway::read_dsn as read_gateway_dsn;
pub use gateway::{GatewayDsn, GatewayStart};
pub use problem::{Origin, Problem, Problems};
pub use quota_file::{OwnAccount, QuotaFile};
pub use secret::{Secret, SecretError};
pub use settings::{
    Accounts, Aliases, Caps, Config, Cost, Cpa, Gateway, Labels, Limits, Log, Metrics, Money,
    Quota, Storage, Web, WebConfig,
};
pub use tables::{Alias, Billing, Fee, ModelName};
pub use value::{ByteSize, CacheWrites, LogFormat, LogLevel, Mode};
pub use web_file::{RateLimit, Users, WebFile, WebSettings};

use crate::platform;

use self::{
    keys::ALL,
    raw::Layer,
    resolve::{Resolver, Section},
};

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
    load_and_check(flags, env, |_| Vec::new())
}

/// Reads the whole configuration; reports the problems that `check` finds together with the others.
pub(crate) fn load_and_check(
    flags: &Flags,
    env: &Env,
    check: impl FnOnce(&Config) -> Vec<Problem>,
) -> Result<Loaded<Config>, Problems> {
    resolve(flags, env, |resolver| {
        let config = Config::read(resolver)?;
        checks::limits(resolver, &config);
        checks::gateway(resolver, &config);
        checks::web(resolver, &config);
        resolver.problems.extend(check(&config));
        Some(config)
    })
}

/// Reads only `[web]`: enough to query a running exporter's health, without the management key.
pub fn load_web(flags: &Flags, env: &Env) -> Result<Loaded<Web>, Problems> {
    resolve(flags, env, Web::read)
}

/// Reads a web configuration file again.
pub fn load_web_file(path: &Path) -> Result<Loaded<WebFile>, Problems> {
    let mut flags = Flags::default();
    flags.set("web.config.file", path.to_string_lossy());
    let loaded = resolve(&flags, &Env::default(), WebConfig::read)?;
    let file = loaded.value.file.unwrap_or_default();
    Ok(Loaded {
        value: file,
        warnings: loaded.warnings,
    })
}

/// Reads only `[storage]`: enough for commands on the stored data.
pub fn load_storage(flags: &Flags, env: &Env) -> Result<Loaded<Storage>, Problems> {
    resolve(flags, env, Storage::read)
}

/// Reads the sections of the commands about costs.
pub fn load_money(flags: &Flags, env: &Env) -> Result<Loaded<Money>, Problems> {
    resolve(flags, env, Money::read)
}

/// Reads the sections of commands that write stored data with the page's labels.
pub fn load_labels(flags: &Flags, env: &Env) -> Result<Loaded<Labels>, Problems> {
    resolve(flags, env, Labels::read)
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
    let on_command_line = raw::flags(
        &ALL,
        pairs.map(|(path, value)| (path.as_str(), value.as_str())),
    );
    let in_file = file_path(flags, env).map_or_else(Layer::default, |path| read(&path));
    let mut resolver = Resolver::new(
        vec![on_command_line, raw::environment(&ALL, env), in_file],
        env,
    );
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
    match input::read_text(path) {
        Ok(text) => raw::file(&ALL, path, &text),
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
