//! The page: rendered once for each version of the state, shared by all scrapes of it.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use tokio::sync::{Mutex, Semaphore};

use super::encode::{Dialect, Encoder};
use super::handles::Handles;
use super::snapshot::Snapshot;
use crate::model::UnixNanos;

/// How long the values that change all the time, like CPU seconds, may be old.
const SAMPLE_AGE: Duration = Duration::from_millis(250);
/// A page below is not worth compressing.
const MIN_GZIP: usize = 1024;

/// Handle to what `/metrics` shows. Cheap to clone.
#[derive(Clone)]
pub struct Exposition(Arc<Shared>);

struct Shared {
    handles: Handles,
    snapshot: ArcSwap<Snapshot>,
    /// Latest version that a full scrape has seen, and when that was.
    seen_version: AtomicU64,
    seen_at: AtomicI64,
    in_flight: Semaphore,
    /// Scrapes render one after another, so that those which come together share one result.
    rendered: Mutex<Rendered>,
}

#[derive(Default)]
struct Rendered {
    domain: HashMap<Dialect, (u64, Arc<String>)>,
    pages: HashMap<(Dialect, bool), (Instant, Page)>,
}

/// A rendered page.
#[derive(Clone, Debug)]
pub struct Page {
    pub body: Bytes,
    /// Whether `body` is gzip.
    pub compressed: bool,
    /// What [`Exposition::mark_seen`] wants to know.
    pub version: u64,
}

/// What a full scrape has seen last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) version: u64,
    pub(super) at: UnixNanos,
}

/// Too many scrapes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many scrapes in flight")]
pub struct Busy;

impl Exposition {
    pub fn new(handles: Handles, in_flight: usize) -> Self {
        Self(Arc::new(Shared {
            handles,
            snapshot: ArcSwap::default(),
            seen_version: AtomicU64::new(0),
            seen_at: AtomicI64::new(0),
            in_flight: Semaphore::new(in_flight),
            rendered: Mutex::default(),
        }))
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.0.snapshot.store(snapshot);
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            version: self.0.seen_version.load(Ordering::Acquire),
            at: UnixNanos::new(self.0.seen_at.load(Ordering::Acquire)),
        }
    }

    /// A scraper has got the whole page of `version`.
    pub fn mark_seen(&self, version: u64, at: UnixNanos) {
        if self.0.seen_version.load(Ordering::Acquire) < version {
            self.0.seen_at.store(at.get(), Ordering::Release);
            self.0.seen_version.fetch_max(version, Ordering::AcqRel);
        }
    }

    /// The page, at most a quarter of a second old.
    pub async fn page(&self, dialect: Dialect, gzip: bool) -> Result<Page, Busy> {
        let _place = self.0.in_flight.try_acquire().map_err(|_full| Busy)?;
        let mut rendered = self.0.rendered.lock().await;
        let snapshot = self.0.snapshot.load_full();
        let known = rendered.pages.get(&(dialect, gzip));
        if let Some((at, page)) = known
            && page.version == snapshot.version
            && at.elapsed() < SAMPLE_AGE
        {
            return Ok(page.clone());
        }
        let began = Instant::now();
        let last = rendered.domain.get(&dialect);
        // Pages grow slowly: with a little more room than last time none is copied as it grows.
        let room = last.map_or(0, |(_, text)| text.len() + text.len() / 16);
        let known = last.filter(|(v, _)| *v == snapshot.version);
        let known = known.map(|(_, text)| Arc::clone(text));
        let shared = Arc::clone(&self.0);
        // A large page takes tens of milliseconds, which no other task shall wait for.
        let work = move || {
            let domain = known.unwrap_or_else(|| Arc::new(render_domain(&snapshot, dialect, room)));
            let page = shared.assemble(&domain, &snapshot, dialect, gzip);
            (domain, page)
        };
        let Ok((domain, page)) = tokio::task::spawn_blocking(work).await else {
            return Err(Busy);
        };
        self.0.handles.exporter.set_render_time(began.elapsed());
        rendered.domain.insert(dialect, (page.version, domain));
        rendered
            .pages
            .insert((dialect, gzip), (began, page.clone()));
        Ok(page)
    }

    /// Only the families whose samples have one of `names`. Never counts as seen.
    pub async fn filtered(&self, dialect: Dialect, names: &[String]) -> Result<Page, Busy> {
        let page = self.page(dialect, false).await?;
        let text = String::from_utf8_lossy(&page.body);
        let mut out = String::new();
        let mut wanted = false;
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let family = rest.split(' ').next().unwrap_or_default();
                wanted = names.iter().any(|name| is_of(name, family));
            }
            if wanted || line == "# EOF" {
                out.push_str(line);
                out.push('\n');
            }
        }
        Ok(Page {
            body: out.into(),
            ..page
        })
    }
}

/// Whether a sample called `name` belongs to `family`.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|suffix| ["", "_total", "_bucket", "_sum", "_count"].contains(&suffix))
}

fn render_domain(snapshot: &Snapshot, dialect: Dialect, room: usize) -> String {
    let mut text = String::with_capacity(room);
    let mut encoder = Encoder::new(&mut text, dialect);
    for family in &snapshot.families {
        encoder.snapshot(family);
    }
    text
}

impl Shared {
    fn assemble(&self, domain: &str, snapshot: &Snapshot, dialect: Dialect, gzip: bool) -> Page {
        let mut own = String::with_capacity(16 * 1024);
        self.handles
            .encode(&mut Encoder::new(&mut own, dialect), snapshot);
        if dialect == Dialect::OpenMetrics {
            own.push_str("# EOF\n");
        }
        let plain = || Page {
            body: [domain, &own].concat().into(),
            compressed: false,
            version: snapshot.version,
        };
        if !gzip || domain.len() + own.len() < MIN_GZIP {
            return plain();
        }
        let mut encoder = GzBuilder::new().write(
            Vec::with_capacity((domain.len() + own.len()) / 8),
            Compression::fast(),
        );
        let written = encoder
            .write_all(domain.as_bytes())
            .and_then(|()| encoder.write_all(own.as_bytes()))
            .and_then(|()| encoder.finish());
        match written {
            Ok(body) => Page {
                body: body.into(),
                compressed: true,
                version: snapshot.version,
            },
            // Writing to memory does not fail; if it did, the page itself is still good.
            Err(_impossible) => plain(),
        }
    }
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}
