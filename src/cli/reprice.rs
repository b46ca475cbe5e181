//! Values of stored events by today's prices.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::money::{Setup, now, parse_end, parse_start, usd};
use super::{ConfigFlags, Exit, print};
use crate::app::prices;
use crate::config::Env;
use crate::model::{DimId, Dimension, UnixNanos};
use crate::pricing::{Billing, Pricer, Subject};
use crate::store::{Change, Cursor, PricedEvent, Range, Repricer};

/// Events that are read, and written, at a time: a transaction takes some hundredths of a second.
const CHUNK: usize = 2000;
/// Models that the report names.
const MODELS_SHOWN: usize = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// First day in UTC, or a moment
    #[arg(long, value_name = "DAY", value_parser = parse_start)]
    from: UnixNanos,
    /// Last day in UTC, or a moment that is not included
    #[arg(long, value_name = "DAY", value_parser = parse_end)]
    to: UnixNanos,
    /// Only this model, as the records name it
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let setup = Setup::load(args.flags, env)?;
    let table = Arc::new(setup.table()?);
    let path = &setup.storage.path;
    let mut store = Repricer::open(path)
        .with_context(|| format!("cannot open the database in {}", path.display()))?;
    let register = Register {
        pricer: Pricer::new(Arc::clone(&table)),
        models: store.texts(Dimension::Model)?,
        tiers: store.texts(Dimension::ServiceTier)?,
        said: said(&store, &prices::billing(&setup.cost, &setup.aliases))?,
    };
    let range = Range {
        from: args.from,
        until: args.to,
        model: args
            .model
            .as_deref()
            .map(|model| register.model(model))
            .transpose()?,
    };
    if args.to <= args.from {
        bail!("--to comes before --from");
    }
    let mode = if args.dry_run {
        Mode::DryRun
    } else {
        let version = table.version();
        Mode::Write(store.price_version(&version.name, &version.source, now())?)
    };
    let report = Run {
        store,
        register,
        mode,
    }
    .over(&range)?;
    let names = report.text(mode, &table.version().name)?;
    print(names.as_bytes())?;
    Ok(Exit::Success)
}

fn said(store: &Repricer, billing: &Billing) -> anyhow::Result<HashMap<DimId, bool>> {
    let accounts = store.texts(Dimension::Account)?.into_iter();
    let said = accounts.filter_map(|(id, (value, name))| Some((id, billing.said(&value, &name)?)));
    Ok(said.collect())
}

/// Stored value and name of interned texts.
type Texts = HashMap<DimId, (String, String)>;

#[derive(Clone, Copy)]
enum Mode {
    DryRun,
    /// With the number of the price version.
    Write(u32),
}

/// What an event's amounts are computed with.
struct Register {
    pricer: Pricer,
    models: Texts,
    tiers: Texts,
    said: HashMap<DimId, bool>,
}

impl Register {
    fn model(&self, name: &str) -> anyhow::Result<DimId> {
        let mut models = self.models.iter();
        let found = models.find(|(_, (value, _))| value == name);
        found
            .map(|(id, _)| *id)
            .with_context(|| format!("no record names the model {name}"))
    }

    /// The change that today's prices make, if any.
    fn change(&mut self, event: &PricedEvent) -> Option<Change> {
        fn text(texts: &Texts, id: DimId) -> &str {
            texts.get(&id).map_or("", |(value, _)| value)
        }
        let Self {
            pricer,
            models,
            tiers,
            said,
        } = self;
        let subject = Subject {
            at: event.at,
            model: (event.model, text(models, event.model)),
            asked: (event.service_tier, text(tiers, event.service_tier)),
            served: (
                event.response_service_tier,
                text(tiers, event.response_service_tier),
            ),
        };
        let value = pricer.value(&subject, &event.tokens);
        let value = value.map(|value| i64::try_from(value.total()).unwrap_or(i64::MAX));
        let per_use = Billing::per_use(said.get(&event.account).copied(), event.login);
        let cost = value.map(|value| if per_use { value } else { 0 });
        (value != event.value || cost != event.cost).then_some(Change {
            event: *event,
            value,
            cost,
        })
    }
}

struct Run {
    store: Repricer,
    register: Register,
    mode: Mode,
}

impl Run {
    fn over(mut self, range: &Range) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut events = Vec::with_capacity(CHUNK);
        let mut changes = Vec::new();
        let mut cursor = Cursor::before(range.from);
        // As long as our transaction took, the exporter has the lock, so that it never waits for two
        // of ours; the next events are read meanwhile, which needs no lock.
        let mut theirs = Instant::now();
        loop {
            self.store.read(range, cursor, CHUNK, &mut events)?;
            let Some(last) = events.last() else {
                break;
            };
            cursor = Cursor::after(last);
            changes.clear();
            for event in &events {
                let change = self.register.change(event);
                report.add(event, change.as_ref());
                changes.extend(change);
            }
            if let (Mode::Write(version), false) = (self.mode, changes.is_empty()) {
                thread::sleep(theirs.saturating_duration_since(Instant::now()));
                let began = Instant::now();
                let applied = self.store.apply(&changes, version)?;
                report.overtaken += (changes.len() - applied) as u64;
                theirs = Instant::now() + began.elapsed().max(Duration::from_millis(1));
            }
        }
        report.names = self.register.models;
        Ok(report)
    }
}

/// Sums before and after, in nano-dollars.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    events: u64,
    changed: u64,
    /// Without a price before and after.
    unpriced: [u64; 2],
    value: [i128; 2],
    cost: [i128; 2],
}

#[derive(Default)]
struct Report {
    all: Sums,
    /// Only of models of which something changes.
    models: BTreeMap<DimId, Sums>,
    names: Texts,
    /// Changed or removed by somebody else meanwhile.
    overtaken: u64,
}

impl Report {
    fn add(&mut self, event: &PricedEvent, change: Option<&Change>) {
        self.all.add(event, change);
        if change.is_some() {
            self.models
                .entry(event.model)
                .or_default()
                .add(event, change);
        }
    }

    fn text(&self, mode: Mode, version: &str) -> anyhow::Result<String> {
        let all = &self.all;
        let mut out = String::new();
        writeln!(out, "price list {version}")?;
        writeln!(
            out,
            "events     {} looked at, {} with another value",
            all.events, all.changed
        )?;
        writeln!(out, "unpriced   {} -> {}", all.unpriced[0], all.unpriced[1])?;
        writeln!(
            out,
            "list value {} -> {} USD",
            usd(all.value[0]),
            usd(all.value[1])
        )?;
        writeln!(
            out,
            "cost       {} -> {} USD",
            usd(all.cost[0]),
            usd(all.cost[1])
        )?;
        let mut models: Vec<(&DimId, &Sums)> = self.models.iter().collect();
        models.sort_by_key(|(_, sums)| std::cmp::Reverse((sums.value[1] - sums.value[0]).abs()));
        for (id, sums) in models.iter().take(MODELS_SHOWN) {
            let name = self.names.get(id).map_or("unknown", |(value, _)| value);
            writeln!(
                out,
                "  {name}: {} events, list value {} -> {}, cost {} -> {}",
                sums.changed,
                usd(sums.value[0]),
                usd(sums.value[1]),
                usd(sums.cost[0]),
                usd(sums.cost[1])
            )?;
        }
        if models.len() > MODELS_SHOWN {
            writeln!(out, "  and {} models more", models.len() - MODELS_SHOWN)?;
        }
        if self.overtaken > 0 {
            writeln!(
                out,
                "{} events were changed or removed meanwhile and left alone",
                self.overtaken
            )?;
        }
        out.push_str(match mode {
            Mode::DryRun => "dry run: nothing was written\n",
            Mode::Write(_) => {
                "written; counters stay as they are, cpa_*_correction_usd show the difference\n"
            }
        });
        Ok(out)
    }
}

impl Sums {
    fn add(&mut self, event: &PricedEvent, change: Option<&Change>) {
        let new = change.map_or((event.value, event.cost), |change| {
            (change.value, change.cost)
        });
        self.events += 1;
        self.changed += u64::from(change.is_some());
        for (at, (value, cost)) in [(event.value, event.cost), new].into_iter().enumerate() {
            if let (Some(unpriced), Some(values), Some(costs)) = (
                self.unpriced.get_mut(at),
                self.value.get_mut(at),
                self.cost.get_mut(at),
            ) {
                *unpriced += u64::from(value.is_none());
                *values += i128::from(value.unwrap_or(0));
                *costs += i128::from(cost.unwrap_or(0));
            }
        }
    }
}
