use clap::ValueEnum;

use super::selection::{self, Selection};
use super::terminal::style;
use super::{ConfigFlags, Exit, flags, note, print};
use crate::config::{self, Env};
use crate::query::{self, Group, Period, Question};
use crate::report::usage::{self, Columns};

const DEFAULT_RANGE: Period = Period::Today;

const AFTER_HELP: &str = "\
The command reads the database, also while an exporter runs. Imported records are included.

Examples:
  cpa-exporter report                              today by model
  cpa-exporter report --by account,model           today by account and model
  cpa-exporter report 30d --by day                 one row for each day
  cpa-exporter report --since 2026-11-01 --until 2026-11-30 --by client --format csv
  cpa-exporter report 24h --account codex-37e10d --by hour

COST is what is paid per use; VALUE is the list price of all traffic, covered by a plan or not.
Days, weeks and months are those of --timezone.

Exit codes:
  0  success, even without any record
  1  the database cannot be read
  2  invalid command line or configuration, or a filter that no record matches";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,
    #[arg(
        help = "Group by one or two of: provider, model, alias, account, client, endpoint, executor, \
                service_tier, reasoning_effort, code, reason, hour, day, week, month",
        long,
        value_name = "GROUP",
        value_delimiter = ',',
        default_value = "model",
        num_args = 1
    )]
    by: Vec<Group>,
    /// Show only the first rows; the total has all
    #[arg(long, value_name = "NUMBER")]
    top: Option<usize>,
    /// Leave out cost and value
    #[arg(long)]
    no_cost: bool,
    /// Leave out the kinds of tokens, the success rate and the latency
    #[arg(long)]
    compact: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Labels>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    if args.by.len() > 2 {
        note("error: --by accepts one or two groups");
        return Ok(Exit::Usage);
    }
    let config::Labels {
        storage, aliases, ..
    } = config::load_labels(&args.flags.into_flags(), env)?.value;
    let zone = args.selection.zone();
    let span = args.selection.span(DEFAULT_RANGE)?;
    let question = Question {
        span,
        zone: zone.clone(),
        by: args.by,
        filters: args.selection.filters(),
        top: args.top,
    };
    let answer = selection::answer(&storage, &aliases, |reader, names| {
        query::breakdown(reader, names, &question)
    })?;
    let Some(found) = answer else {
        return Ok(Exit::Usage);
    };
    if found.rows.is_empty() {
        note("no records in this range");
    }
    let columns = Columns {
        compact: args.compact,
        no_cost: args.no_cost,
    };
    let text = match args.format {
        Format::Table => usage::table(&found, columns, &zone, &style(env)),
        Format::Json => usage::json(&found)?,
        Format::Csv => usage::csv(&found),
    };
    print(text.as_bytes())?;
    Ok(Exit::Success)
}
