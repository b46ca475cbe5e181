//! Counters with their exposition, and events for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::super::{
    AccountNames, Audience, BuildInfo, Counters, CountersConfig, Dialect, Exposition, Form,
    Handles, Page, Record,
};
use crate::model::{
    AuthType, DimId, Dimension, Event, EventDigest, Failure, FailureReason, Money, Route,
    TokenQuality, Tokens, TotalRow, UnixNanos,
};

pub(super) const START: UnixNanos = UnixNanos::from_millis(1_800_000_000_000);

pub(super) fn handles() -> Handles {
    let build = BuildInfo {
        version: "1.2.3",
        revision: "abcdef0",
        rustc: "1.95.0",
    };
    Handles::new(build, Arc::new(|| vec![("error", 0), ("warn", 2)]))
}

/// Plays the ingest thread and the database for counters.
pub(super) struct Bench {
    pub(super) counters: Counters,
    pub(super) exposition: Exposition,
    pub(super) config: CountersConfig,
    /// The names and totals that the database has.
    pub(super) names: Vec<(Dimension, DimId, String)>,
    pub(super) rows: HashMap<(u16, [u32; 5]), TotalRow>,
    pub(super) now: UnixNanos,
}

impl Bench {
    pub(super) fn new(config: CountersConfig) -> Self {
        let exposition = Exposition::new(handles(), 8);
        Self {
            counters: Counters::new(config.clone(), exposition.clone(), AccountNames::default()),
            exposition,
            config,
            names: Vec::new(),
            rows: HashMap::new(),
            now: START,
        }
    }

    /// Series show their values at the first commit after the scrape.
    pub(super) fn without_hold() -> Self {
        Self::new(CountersConfig {
            zero_hold: Duration::ZERO,
            ..CountersConfig::default()
        })
    }

    pub(super) fn name(&mut self, dimension: Dimension, id: u32, text: &str) {
        self.names.push((dimension, DimId(id), text.to_owned()));
        self.counters.name(dimension, DimId(id), text, text);
    }

    /// One transaction that stands, and the publication after it.
    pub(super) fn commit(&mut self) {
        let rows: Vec<TotalRow> = self.counters.staged_rows().collect();
        for row in rows {
            self.rows.insert((row.family, row.key), row);
        }
        self.counters.commit();
        self.counters.publish(self.now);
    }

    /// A complete scrape of what is public now.
    pub(super) fn see(&mut self) {
        let version = block_on(self.exposition.page(Form::scraper(Dialect::Text)))
            .unwrap()
            .version;
        self.exposition.mark_seen(version, self.now);
        self.counters.publish(self.now);
    }

    pub(super) fn wait(&mut self, span: Duration) {
        self.now = self.now.saturating_add(span);
        self.counters.publish(self.now);
    }

    /// Everything that has been counted becomes visible.
    pub(super) fn settle(&mut self) {
        self.commit();
        self.see();
        self.wait(self.config.zero_hold);
        self.commit();
    }

    /// The process ends and another one begins with what the database has.
    pub(super) fn restart(&mut self) {
        self.restart_with(self.config.clone());
    }

    pub(super) fn restart_with(&mut self, config: CountersConfig) {
        self.config = config;
        self.exposition = Exposition::new(handles(), 8);
        self.counters = Counters::new(
            self.config.clone(),
            self.exposition.clone(),
            AccountNames::default(),
        );
        for (dimension, id, text) in &self.names {
            self.counters.name(*dimension, *id, text, text);
        }
        let rows: Vec<TotalRow> = self.rows.values().cloned().collect();
        self.counters.restore(&rows, self.now).unwrap();
        self.counters.publish(self.now);
    }

    pub(super) fn page(&self, dialect: Dialect) -> String {
        text(&block_on(self.exposition.page(Form::scraper(dialect))).unwrap())
    }

    /// The page of somebody who is no scraper.
    pub(super) fn reader_page(&self, dialect: Dialect) -> String {
        let form = Form {
            audience: Audience::Reader,
            ..Form::scraper(dialect)
        };
        text(&block_on(self.exposition.page(form)).unwrap())
    }

    /// Value by `name{labels}` of the domain families, as a scraper sees them.
    pub(super) fn samples(&self) -> BTreeMap<String, String> {
        samples(&domain(&self.page(Dialect::Text)))
    }

    pub(super) fn value(&self, sample: &str) -> Option<String> {
        self.samples().get(sample).cloned()
    }

    pub(super) fn count(&mut self, event: &Event<'_>, route: &Route) {
        self.count_priced(event, route, None);
    }

    pub(super) fn count_priced(&mut self, event: &Event<'_>, route: &Route, money: Option<&Money>) {
        self.counters.count(&Record {
            event,
            route,
            money,
            combos: &[],
            received: self.now,
        });
    }
}

pub(super) fn text(page: &Page) -> String {
    String::from_utf8(page.body.to_vec()).unwrap()
}

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// The part of a page that comes from the counters.
pub(super) fn domain(page: &str) -> String {
    let end = page.find("# HELP cpa_access_refused ").unwrap();
    page[..end].to_owned()
}

/// Fails when a line is there twice.
pub(super) fn samples(page: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let line = line.split(r#" # {request_id=""#).next().unwrap();
        let (name, value) = line.rsplit_once(' ').unwrap();
        let twice = out.insert(name.to_owned(), value.to_owned());
        assert_eq!(twice, None, "{name}");
    }
    out
}

pub(super) fn route(provider: u32, model: u32, account: u32, client: u32) -> Route {
    Route {
        provider: DimId(provider),
        model: DimId(model),
        account: DimId(account),
        client: DimId(client),
        ..Route::default()
    }
}

/// A streamed success: 2 s, first token after 0.5 s, 100 + 31 tokens.
pub(super) fn success() -> Event<'static> {
    Event {
        timestamp: START,
        latency_ms: 2000,
        ttft_ms: 500,
        provider: "codex".into(),
        executor: "".into(),
        model: "".into(),
        alias: "".into(),
        endpoint: "".into(),
        auth_type: AuthType::Oauth,
        auth_index: "".into(),
        source: None,
        client: None,
        request_id: "0123abcd".into(),
        reasoning_effort: "".into(),
        service_tier: "".into(),
        response_service_tier: "".into(),
        tokens: Tokens {
            input: 100,
            output: 31,
            ..Tokens::default()
        },
        quality: TokenQuality::Complete,
        failure: None,
        generate: true,
        stream: true,
        quota_headers: Vec::new(),
        exhaustion: None,
        digest: EventDigest(0),
    }
}

pub(super) fn failure(status: u16, reason: FailureReason) -> Event<'static> {
    Event {
        failure: Some(Failure {
            status,
            reason,
            excerpt: "".into(),
        }),
        ..success()
    }
}
