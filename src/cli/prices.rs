mod change;
mod edit;
mod import;
mod list;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::money::{Setup, parse_start};
use super::{ConfigFlags, Exit, Group, flags};
use crate::config::Env;
use crate::model::UnixNanos;

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the prices in force, in dollars per million tokens
    List(List),
    /// Show a model's price: how it was matched, its dates, tiers and sources
    Show(Show),
    /// Set the price of a model
    ///
    /// Stored events keep their value until `reprice`. A running exporter uses the price after the
    /// next reload (SIGHUP). Prices of service tiers, long prompts and peak hours stay as they are;
    /// change them in `cost.price_file`.
    Set(Set),
    /// Remove the price that `set` or `import` added
    Remove(Remove),
    /// Import prices from a downloaded list of `LiteLLM` or models.dev, or from an export
    ///
    /// The file is `model_prices_and_context_window.json` of `LiteLLM`, `api.json` of models.dev, or
    /// the output of `prices export`. Known prices stay unless --overwrite is set.
    Import(Import),
    /// Print all prices in force as JSON, with their sources
    Export(Export),
    /// List models with stored traffic and no price
    Missing(Missing),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// List only models whose name contains this text
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Model, as CPA's records name it
    #[arg(value_name = "MODEL")]
    model: String,
    /// Show the price at this day or time, in UTC [default: now]
    #[arg(long, value_name = "DAY", value_parser = parse_start)]
    at: Option<UnixNanos>,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// Model, as CPA's records name it
    #[arg(value_name = "MODEL")]
    model: String,
    /// US dollars per million uncached input tokens
    #[arg(long, value_name = "USD")]
    input: f64,
    /// US dollars per million output tokens
    #[arg(long, value_name = "USD")]
    output: f64,
    /// Cache reads [default: as --input]
    #[arg(long, value_name = "USD")]
    cache_read: Option<f64>,
    /// Cache writes [default: as --input]
    #[arg(long, value_name = "USD")]
    cache_write: Option<f64>,
    /// Cache writes that last an hour [default: as --cache-write]
    #[arg(long, value_name = "USD")]
    cache_write_1h: Option<f64>,
    /// Reasoning tokens [default: as --output]
    #[arg(long, value_name = "USD")]
    reasoning: Option<f64>,
    /// First day of the price, in UTC; earlier days keep the current price
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Source of the price
    #[arg(long, value_name = "TEXT", default_value = "set by command")]
    source: String,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// Model, as `prices list` names it
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// Price list, JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace known prices
    #[arg(long)]
    overwrite: bool,
    /// Providers of models.dev to import [default: the makers of the models]
    #[arg(long = "provider", value_name = "ID")]
    providers: Vec<String>,
    /// Print the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Missing {
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn execute(args: Group<Action>, env: &Env) -> anyhow::Result<Exit> {
    match args.action {
        Action::List(List {
            text,
            format,
            flags,
        }) => list::list(&Setup::load(flags, env)?, text.as_deref(), format),
        Action::Show(Show { model, at, flags }) => {
            list::show(&Setup::load(flags, env)?, &model, at)
        }
        Action::Set(set) => {
            let setup = Setup::load(set.flags.clone(), env)?;
            edit::set(&setup, &set)
        }
        Action::Remove(Remove { model, flags }) => edit::remove(&Setup::load(flags, env)?, &model),
        Action::Import(import) => {
            let setup = Setup::load(import.flags.clone(), env)?;
            import::import(&setup, &import)
        }
        Action::Export(Export { flags }) => list::export(&Setup::load(flags, env)?),
        Action::Missing(Missing { format, flags }) => {
            list::missing(&Setup::load(flags, env)?, format)
        }
    }
}
