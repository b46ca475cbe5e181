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
    /// Show one model's price: how it was found, all its dates and tiers, where it comes from
    Show(Show),
    /// Give a model a price of your own
    ///
    /// Changes no history: events keep the value they had when they came, until `reprice`. A running
    /// exporter takes the price over with the next reload (SIGHUP). Service tiers, long prompts and
    /// peak hours keep the prices that they have; the file of `cost.price_file` changes them.
    Set(Set),
    /// Take back what `set` or `import` gave a model
    Remove(Remove),
    /// Take prices from a downloaded list: that of `LiteLLM` or models.dev, or an export
    ///
    /// `LiteLLM`'s is `model_prices_and_context_window.json`, that of models.dev `api.json`; an export
    /// is what `prices export` wrote. Prices that are known already stay, unless told otherwise.
    Import(Import),
    /// Print all prices in force as JSON, with their sources
    Export(Export),
    /// List models whose stored traffic has no value because they had no price
    Missing(Missing),
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// Only models whose name contains this
    #[arg(value_name = "TEXT")]
    text: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// As CPA's records name it
    #[arg(value_name = "MODEL")]
    model: String,
    /// The price of another day or moment, in UTC [default: now]
    #[arg(long, value_name = "DAY", value_parser = parse_start)]
    at: Option<UnixNanos>,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Set {
    /// As CPA's records name it
    #[arg(value_name = "MODEL")]
    model: String,
    /// Dollars per million tokens that come from no cache
    #[arg(long, value_name = "USD")]
    input: f64,
    /// Dollars per million tokens of the answer
    #[arg(long, value_name = "USD")]
    output: f64,
    /// [default: as input]
    #[arg(long, value_name = "USD")]
    cache_read: Option<f64>,
    /// [default: as input]
    #[arg(long, value_name = "USD")]
    cache_write: Option<f64>,
    /// [default: as the other cache write]
    #[arg(long, value_name = "USD")]
    cache_write_1h: Option<f64>,
    /// [default: as output]
    #[arg(long, value_name = "USD")]
    reasoning: Option<f64>,
    /// First day of the price in UTC; what applied before is kept for the days before
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Where you have it from
    #[arg(long, value_name = "TEXT", default_value = "set by command")]
    source: String,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Remove {
    /// As `prices list` names it
    #[arg(value_name = "MODEL")]
    model: String,
    #[command(flatten)]
    flags: ConfigFlags<flags::Prices>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The list, as JSON
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace prices that are known already, too
    #[arg(long)]
    overwrite: bool,
    /// Providers of models.dev to take [default: the makers of the models]
    #[arg(long = "provider", value_name = "ID")]
    providers: Vec<String>,
    /// Only say what would happen
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
