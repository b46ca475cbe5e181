//! The configuration's flags, generated from the table of keys.

use std::marker::PhantomData;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};

pub(super) use self::reads::{
    Everything, Exporter, ImportMoney, Labels, Money, Prices, Quotas, Reads, Stored,
};
use crate::config::{
    Flags,
    keys::{ALL, Key, Kind},
};

mod reads;

const CONFIG_FILE: &str = "config.file";

/// One flag per key, and `--config.file`.
///
/// Every command accepts every flag, so that one set of flags serves all of them; `--help` and
/// shell completions list those of `R`.
#[derive(Clone, Debug)]
pub struct ConfigFlags<R = Everything> {
    flags: Flags,
    reads: PhantomData<R>,
}

impl<R> ConfigFlags<R> {
    pub fn into_flags(self) -> Flags {
        self.flags
    }
}

impl<R: Reads> Args for ConfigFlags<R> {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new(CONFIG_FILE)
            .long(CONFIG_FILE)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("Configuration file [env: CPA_EXPORTER_CONFIG_FILE] [default: none]")
            .help_heading("Configuration");
        let flags = ALL.iter().filter_map(|key| {
            let flag = flag(key)?;
            Some(flag.hide(!R::reads(key)))
        });
        command.arg(file).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(key: &'static Key) -> Option<Arg> {
    let default = key
        .default
        .map_or_else(String::new, |text| format!(" [default: {text}]"));
    let flag = Arg::new(key.path)
        .long(key.flag()?)
        .value_name(key.value_name)
        .help(format!("{}{default}", key.help()))
        .help_heading(key.heading);
    Some(match key.kind {
        // `--web.enable-lifecycle` alone means true; `=false` overrides the file.
        Kind::Switch => flag
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        Kind::Table => flag.action(ArgAction::Append),
        Kind::Plain | Kind::Secret => flag,
    })
}

impl<R: Reads> FromArgMatches for ConfigFlags<R> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Flags::default();
        flags.config_file = matches.get_one(CONFIG_FILE).cloned();
        for key in ALL.iter().filter(|key| key.flag().is_some()) {
            let Some(values) = matches.get_many::<String>(key.path) else {
                continue;
            };
            let values: Vec<&str> = values.map(String::as_str).collect();
            flags.set(key.path, values.join(","));
        }
        Ok(Self {
            flags,
            reads: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
