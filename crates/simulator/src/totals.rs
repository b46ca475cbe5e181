//! Counts what the simulator made and delivered, independently of the records.

use std::collections::BTreeMap;

use serde::Serialize;

use super::generator::Mark;
use super::generator::world::World;
use super::results::Results;
use cpa_exporter_core::model::{TokenKind, Tokens, UnixNanos};

/// Records and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    pub records: u64,
    pub bytes: u64,
}

impl Flow {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes as u64;
    }
}

/// Requests, failures and tokens of a series or a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    pub failures: u64,
    pub tokens: Tokens,
}

impl Counts {
    fn add(&mut self, mark: &Mark) {
        self.requests += 1;
        self.failures += u64::from(mark.failed);
        self.tokens.input += mark.tokens.input;
        self.tokens.cache_read += mark.tokens.cache_read;
        self.tokens.cache_write += mark.tokens.cache_write;
        self.tokens.output += mark.tokens.output;
        self.tokens.reasoning += mark.tokens.reasoning;
        self.tokens.unclassified += mark.tokens.unclassified;
    }
}

impl Serialize for Counts {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown {
            requests: u64,
            failures: u64,
            tokens: BTreeMap<&'static str, u64>,
        }
        let kinds = TokenKind::ALL.map(TokenKind::as_str);
        Shown {
            requests: self.requests,
            failures: self.failures,
            tokens: kinds.into_iter().zip(self.tokens.by_kind()).collect(),
        }
        .serialize(serializer)
    }
}

/// One (provider, model, account).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeriesTotal {
    pub provider: String,
    pub model: String,
    pub auth_index: String,
    /// Everything that became a record.
    pub produced: Counts,
    /// Records delivered to clients: popped, or put into a subscriber's buffer.
    pub handed_out: Counts,
}

/// One client key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientTotal {
    pub api_key: String,
    pub produced: Counts,
    pub handed_out: Counts,
}

/// Counts since the start; a simulated restart does not reset them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records made or pushed.
    pub produced: Flow,
    /// Requests without a record because usage statistics were off.
    pub unrecorded: u64,
    /// Records in the queue now.
    pub queued: u64,
    pub popped: Flow,
    /// Messages put into subscribers' buffers; one record counts once per subscriber.
    pub published: Flow,
    /// Records written completely to a subscriber's connection.
    pub written: Flow,
    /// Records in a subscriber's buffer when its subscription or connection ended.
    pub left_behind: u64,
    /// Dropped by retention.
    pub expired: u64,
    /// Lost because the last subscriber's buffer was full.
    pub cut: u64,
    /// Popped by the simulated competitor.
    pub taken_by_competitor: u64,
    /// Queued when the simulator was restarted or management was disabled.
    pub lost_in_restart: u64,
    /// Delivered as invalid bytes because of a fault; not in any series' `handed_out`.
    pub damaged: u64,
    pub series: Vec<SeriesTotal>,
    pub clients: Vec<ClientTotal>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    produced: Counts,
    handed_out: Counts,
}

/// Counts the values of [`Totals`] by dense numbers.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) sums: Totals,
    series: Vec<Pair>,
    clients: Vec<Pair>,
    results: Vec<Results>,
}

impl Oracle {
    pub(crate) fn new(world: &World) -> Self {
        let series = usize::try_from(world.series).unwrap_or(0);
        Self {
            sums: Totals::default(),
            series: vec![Pair::default(); series],
            clients: vec![Pair::default(); world.clients.len()],
            results: vec![Results::default(); world.accounts.len()],
        }
    }

    /// Allocates counters for accounts that were added.
    pub(crate) fn grow(&mut self, world: &World) {
        let series = usize::try_from(world.series).unwrap_or(0);
        self.series.resize(series, Pair::default());
        self.results
            .resize(world.accounts.len(), Results::default());
    }

    pub(crate) fn produced(&mut self, mark: &Mark) {
        for pair in self.pairs(mark) {
            pair.produced.add(mark);
        }
    }

    pub(crate) fn handed_out(&mut self, mark: &Mark) {
        for pair in self.pairs(mark) {
            pair.handed_out.add(mark);
        }
    }

    /// Counts a result of the credential, with or without a record.
    pub(crate) fn result(&mut self, mark: &Mark, now: UnixNanos) {
        let Some(results) = index(&mut self.results, mark.account) else {
            return;
        };
        if mark.counted {
            results.add(mark.failed, now);
        }
    }

    /// Counts a success of the first credential without a record, as for token counting.
    pub(crate) fn count_without_record(&mut self, now: UnixNanos) {
        if let Some(results) = self.results.first_mut() {
            results.add(false, now);
        }
    }

    pub(crate) fn results(&self, account: usize) -> Results {
        self.results.get(account).copied().unwrap_or_default()
    }

    /// Clears the results, which CPA keeps in memory only.
    pub(crate) fn forget_results(&mut self) {
        self.results.fill(Results::default());
    }

    pub(crate) fn totals(&self, world: &World, queued: usize) -> Totals {
        let labels = world.accounts.iter().flat_map(|account| {
            let models = account.models.iter();
            models.map(move |model| (account, model))
        });
        let series = labels.zip(&self.series).map(|((account, model), pair)| {
            let provider = account.kind.provider.to_owned();
            SeriesTotal {
                provider,
                model: model.name.clone(),
                auth_index: account.auth_index.clone(),
                produced: pair.produced,
                handed_out: pair.handed_out,
            }
        });
        let clients = world.clients.iter().zip(&self.clients);
        Totals {
            queued: queued as u64,
            series: series.filter(|s| s.produced.requests > 0).collect(),
            clients: clients
                .map(|(client, pair)| ClientTotal {
                    api_key: client.key.clone(),
                    produced: pair.produced,
                    handed_out: pair.handed_out,
                })
                .collect(),
            ..self.sums.clone()
        }
    }

    fn pairs(&mut self, mark: &Mark) -> impl Iterator<Item = &mut Pair> {
        index(&mut self.series, mark.series)
            .into_iter()
            .chain(index(&mut self.clients, mark.client))
    }
}

fn index<T>(of: &mut [T], number: u32) -> Option<&mut T> {
    of.get_mut(usize::try_from(number).ok()?)
}
