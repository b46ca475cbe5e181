//! Recomputes the cost of stored events with current prices.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::money::{Setup, now, parse_end, parse_start, usd};
use super::{ConfigFlags, Exit, flags, print};
use crate::app::prices;
use crate::config::Env;
use crate::model::{DimId, Dimension, UnixNanos};
use crate::pricing::{Billing, PriceTable, Pricer, Subject, is_chatgpt_login};
use crate::store::{Change, Cursor, PricedEvent, Range, Repricer};

/// Events per transaction: it takes some hundredths of a second.
const CHUNK: usize = 2000;
/// Maximum number of models in the report.
const MODELS_SHOWN: usize = 40;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// First day in UTC, or a time
    #[arg(long, value_name = "DAY", value_parser = parse_start)]
    from: UnixNanos,
    /// Last day in UTC, or a time (exclusive)
    #[arg(long, value_name = "DAY", value_parser = parse_end)]
    to: UnixNanos,
    /// Reprice only this model, as CPA's records name it
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Print the changes and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags<flags::Money>,
}

pub(super) fn execute(args: Args, env: &Env) -> anyhow::Result<Exit> {
    let setup = Setup::load(args.flags, env)?;
    let run = Run::open(&setup, args.dry_run)?;
    let range = Range {
        from: args.from,
        until: args.to,
        model: args
            .model
            .as_deref()
            .map(|model| run.register.model(model))
            .transpose()?,
    };
    if args.to <= args.from {
        bail!("--to comes before --from");
    }
    print(run.over(&range)?.text()?.as_bytes())?;
    Ok(Exit::Success)
}

/// Stored value and name of interned texts.
type Texts = HashMap<DimId, (String, String)>;

#[derive(Clone, Copy)]
enum Mode {
    DryRun,
    /// With the number of the price version.
    Write(u32),
}

/// State for the computation of amounts.
struct Register {
    pricer: Pricer,
    billing: Billing,
    providers: Texts,
    models: Texts,
    tiers: Texts,
    accounts: Texts,
}

impl Register {
    fn load(store: &Repricer, table: Arc<PriceTable>, billing: Billing) -> anyhow::Result<Self> {
        let mut this = Self {
            pricer: Pricer::new(table),
            billing,
            providers: Texts::new(),
            models: Texts::new(),
            tiers: Texts::new(),
            accounts: Texts::new(),
        };
        this.read(store)?;
        Ok(this)
    }

    fn read(&mut self, store: &Repricer) -> anyhow::Result<()> {
        self.providers = store.texts(Dimension::Provider)?;
        self.models = store.texts(Dimension::Model)?;
        self.tiers = store.texts(Dimension::ServiceTier)?;
        self.accounts = store.texts(Dimension::Account)?;
        Ok(())
    }

    /// Reads the names that a running exporter has added: without its name a model would have no
    /// price.
    fn catch_up(&mut self, store: &Repricer, events: &[PricedEvent]) -> anyhow::Result<()> {
        let knows = |texts: &Texts, id| id == DimId::NONE || texts.contains_key(&id);
        let knows_all = events.iter().all(|event| {
            knows(&self.providers, event.provider)
                && knows(&self.models, event.model)
                && knows(&self.tiers, event.service_tier)
                && knows(&self.tiers, event.response_service_tier)
                && knows(&self.accounts, event.account)
        });
        if knows_all { Ok(()) } else { self.read(store) }
    }

    fn model(&self, name: &str) -> anyhow::Result<DimId> {
        let mut models = self.models.iter();
        let found = models.find(|(_, (value, _))| value == name);
        found
            .map(|(id, _)| *id)
            .with_context(|| format!("no record names the model {name}"))
    }

    /// The change by today's prices, if any.
    fn change(&mut self, event: &PricedEvent) -> Option<Change> {
        fn text(texts: &Texts, id: DimId) -> &str {
            texts.get(&id).map_or("", |(value, _)| value)
        }
        let Self {
            pricer,
            billing,
            providers,
            models,
            tiers,
            accounts,
        } = self;
        let subject = Subject {
            at: event.at,
            model: (event.model, text(models, event.model)),
            asked: (event.service_tier, text(tiers, event.service_tier)),
            served: (
                event.response_service_tier,
                text(tiers, event.response_service_tier),
            ),
            chatgpt_login: is_chatgpt_login(text(providers, event.provider), event.login),
        };
        let value = pricer.value(&subject, &event.tokens);
        let value = value.map(|value| i64::try_from(value.total()).unwrap_or(i64::MAX));
        let account = accounts.get(&event.account);
        let said = account.and_then(|(value, name)| billing.configured(value, name));
        let per_use = Billing::per_use(said, event.login);
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
    /// Name of the price list.
    version: String,
}

impl Run {
    fn open(setup: &Setup, dry_run: bool) -> anyhow::Result<Self> {
        let table = Arc::new(setup.table()?);
        let path = &setup.storage.path;
        let mut store = Repricer::open(path)
            .with_context(|| format!("cannot open the database in {}", path.display()))?;
        let billing = prices::billing(&setup.cost, &setup.aliases);
        let register = Register::load(&store, Arc::clone(&table), billing)?;
        let version = table.version();
        let mode = if dry_run {
            Mode::DryRun
        } else {
            Mode::Write(store.price_version(&version.name, &version.source, now())?)
        };
        Ok(Self {
            store,
            register,
            mode,
            version: version.name.clone(),
        })
    }

    fn over(mut self, range: &Range) -> anyhow::Result<Report> {
        let mut report = Report::of(self.mode, self.version);
        let mut events = Vec::with_capacity(CHUNK);
        let mut changes = Vec::new();
        let mut cursor = Cursor::before(range.from);
        // The exporter gets the lock for as long as our transaction took, so that it never waits
        // for two of ours; the next events are read meanwhile without a lock.
        let mut theirs = Instant::now();
        loop {
            self.store.read(range, cursor, CHUNK, &mut events)?;
            let Some(last) = events.last() else {
                break;
            };
            cursor = Cursor::after(last);
            self.register.catch_up(&self.store, &events)?;
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
    /// Events without a price, before and after.
    unpriced: [u64; 2],
    value: [i128; 2],
    cost: [i128; 2],
}

struct Report {
    mode: Mode,
    version: String,
    all: Sums,
    /// Models with changes.
    models: BTreeMap<DimId, Sums>,
    names: Texts,
    /// Changed or removed by another process meanwhile.
    overtaken: u64,
}

impl Report {
    fn of(mode: Mode, version: String) -> Self {
        Self {
            mode,
            version,
            all: Sums::default(),
            models: BTreeMap::new(),
            names: Texts::new(),
            overtaken: 0,
        }
    }

    fn add(&mut self, event: &PricedEvent, change: Option<&Change>) {
        self.all.add(event, change);
        if change.is_some() {
            self.models
                .entry(event.model)
                .or_default()
                .add(event, change);
        }
    }

    fn text(&self) -> anyhow::Result<String> {
        let all = &self.all;
        let mut out = String::new();
        writeln!(out, "price list {}", self.version)?;
        writeln!(
            out,
            "events     {} read, {} with another value",
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
            writeln!(out, "  and {} more models", models.len() - MODELS_SHOWN)?;
        }
        if self.overtaken > 0 {
            writeln!(
                out,
                "{} events were changed or removed meanwhile and skipped",
                self.overtaken
            )?;
        }
        out.push_str(match self.mode {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Decoded, Decoder, HashKey};
    use crate::model::{Money, Value};
    use crate::pricing::{CacheWrites, Layer, built_in};
    use crate::store::{SpoolMark, Store};

    const WORTH: u64 = 9_000_000;

    /// Stores a record of 100,000 tokens, as a running exporter does.
    fn ingest(store: &mut Store, model: &str, second: u8) {
        let record = format!(
            r#"{{"timestamp":"2026-11-22T00:00:0{second}Z","provider":"codex","model":"{model}","auth_index":"37e10dbe","auth_type":"apikey","tokens":{{"input_tokens":100000,"total_tokens":100000}}}}"#
        );
        let decoder = Decoder::new(HashKey([7; 16]));
        let Decoded::Event(event) = decoder.decode(record.as_bytes()) else {
            panic!("no event: {record}");
        };
        let mut open = store.begin().unwrap();
        let route = open.intern(&event);
        let money = Money {
            value: Some(Value::new([WORTH, 0, 0, 0, 0, 0])),
            per_use: true,
            price_version: 1,
            references: Vec::new(),
        };
        assert!(open.event(&event, &route, &money).unwrap());
        let mark = SpoolMark::default();
        open.commit(std::iter::empty(), mark).unwrap();
    }

    #[test]
    fn a_model_named_by_a_running_exporter_keeps_its_price() {
        let dir = tempfile::tempdir().unwrap();
        let mut exporter = Store::open(dir.path()).unwrap();
        ingest(&mut exporter, "gpt-5.4", 1);
        let files = [(Layer::BuiltIn, built_in().unwrap())];
        let table = Arc::new(PriceTable::new(&files, CacheWrites::Short).unwrap());
        let store = Repricer::open(dir.path()).unwrap();
        let register = Register::load(&store, table, Billing::default()).unwrap();
        ingest(&mut exporter, "gpt-5.5", 2);
        let run = Run {
            store,
            register,
            mode: Mode::Write(1),
            version: "test".to_owned(),
        };
        let range = Range {
            from: UnixNanos::new(0),
            until: UnixNanos::new(i64::MAX),
            model: None,
        };
        let report = run.over(&range).unwrap();
        assert_eq!((report.all.events, report.all.unpriced), (2, [0, 0]));
        // 2.5 and 5 dollars per million tokens.
        assert_eq!(report.all.value[1], 750_000_000);
    }
}
