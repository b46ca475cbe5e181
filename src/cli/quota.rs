use clap::ValueEnum;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::runtime;
use url::Url;

use super::exporter::{Exporter, QueryFailure};
use super::terminal::style;
use super::{ConfigFlags, Exit, flags, note, print};
use crate::api::{AccountFilter, AccountQuota, RefreshOutcome, UnknownProvider};
use crate::app::local_api::LocalApi;
use crate::app::standalone_quotas;
use crate::clock::Clock;
use crate::config::{self, Env, Flags};
use crate::report::{self, quota::Here};

const AFTER_HELP: &str = "\
The command reads the exporter on this machine or at --url. If no exporter runs on this machine, the
command polls CPA and each provider once; this needs the configuration and the management key, and
accounts have their default names. With web.api_token_file set, the command sends its token;
--refresh on a running exporter requires a token.

The table shows local time (TZ). Green: more than 30 % left; yellow: 30 % or less; red: 10 % or less.
Colours appear only on a terminal and without NO_COLOR. The result of a refresh goes to stderr.

Exit codes:
  0  success, even if some accounts have no reading or the last refresh was too recent
  1  neither an exporter nor CPA is reachable, or the request was refused
  2  invalid command line or configuration";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Args {
    /// Same as --refresh
    #[arg(value_enum, value_name = "refresh", hide_possible_values = true)]
    action: Option<Action>,
    /// Show only accounts of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Show only this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Read the exporter at this URL; no fallback to CPA
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
    /// Poll all providers now; at most once in 5 minutes
    #[arg(long)]
    refresh: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    flags: ConfigFlags<flags::Quotas>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    Refresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Csv,
}

/// Quotas for the output.
struct Found {
    accounts: Vec<AccountQuota>,
    /// Result of a refresh, if one was requested.
    round: Option<RefreshOutcome>,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let refresh = args.refresh || args.action.is_some();
    let wanted = AccountFilter {
        provider: args.provider,
        account: args.account,
    };
    let flags = args.flags.into_flags();
    let clock = Clock::system();
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let url = args.url.as_ref();
    let found = match runtime.block_on(find(&flags, env, &wanted, url, refresh, &clock)) {
        Err(error) if error.is::<UnknownProvider>() => {
            note(&format!("error: {error}"));
            return Ok(Exit::Usage);
        }
        found => found?,
    };
    if refresh && found.round.is_none() {
        note("not all accounts are polled yet; the exporter continues");
    }
    for line in found.round.iter().flat_map(report::round) {
        note(&line);
    }
    if found.accounts.is_empty() {
        note(if wanted == AccountFilter::default() {
            "no accounts are known"
        } else {
            "no account matches"
        });
    }
    let here = Here {
        now: Timestamp::from_millisecond(clock.now().as_millis())?,
        zone: TimeZone::system(),
    };
    let text = match args.format {
        Format::Table => report::quota::table(&found.accounts, &here, &style(env)),
        Format::Json => report::quota::json(&found.accounts)?,
        Format::Csv => report::quota::csv(&found.accounts, &here),
    };
    print(text.as_bytes())?;
    Ok(Exit::Success)
}

async fn find(
    flags: &Flags,
    env: &Env,
    wanted: &AccountFilter,
    url: Option<&Url>,
    refresh: bool,
    clock: &Clock,
) -> anyhow::Result<Found> {
    let web = config::load_web(flags, env)?.value;
    // Passwords and certificates are not for commands on this machine.
    let local = if url.is_none() && web.needs_local_socket() {
        LocalApi::read(&config::load_storage(flags, env)?.value.path)?
    } else {
        None
    };
    let exporter = match local {
        Some(api) => Exporter::local(&api)?,
        None => Exporter::new(&web, url)?,
    };
    match exporter.quotas(&AccountFilter::default()).await {
        Err(QueryFailure::NobodyThere) if url.is_none() => {}
        all => {
            let all = all?;
            let existing: Vec<&str> = all.iter().map(|quota| quota.provider.as_str()).collect();
            wanted.check_provider(&existing)?;
            return Ok(query(&exporter, wanted, refresh).await?);
        }
    }
    note(&format!(
        "no exporter runs at {}; polling CPA and the providers directly",
        web.listen_address.reach_at()
    ));
    let config = config::load(flags, env)?.value;
    if !config.quota.enabled {
        note("quota.enabled is false: no provider is polled");
    }
    let (accounts, summary) = standalone_quotas::quotas(&config, wanted, clock.clone()).await?;
    Ok(Found {
        accounts,
        round: Some(RefreshOutcome::Done(summary)),
    })
}

async fn query(
    exporter: &Exporter,
    wanted: &AccountFilter,
    refresh: bool,
) -> Result<Found, QueryFailure> {
    let round = if refresh {
        exporter.refresh(wanted).await?
    } else {
        None
    };
    Ok(Found {
        accounts: exporter.quotas(wanted).await?,
        round,
    })
}
