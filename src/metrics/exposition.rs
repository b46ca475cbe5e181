//! The page: rendered once for each version of the state, shared by all scrapes of it.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::encode::{Dialect, Encoder};
use super::handles::Handles;
use super::snapshot::{Audience, Snapshot};
use crate::model::UnixNanos;

/// Number of values of [`Form`], and so of cached pages.
const FORMS: usize = 8;
/// Maximum age of values that always change, such as CPU seconds.
const SAMPLE_AGE: Duration = Duration::from_millis(250);
/// Minimum size of a page to compress.
const MIN_GZIP: usize = 1024;

/// Handle to what `/metrics` shows. Cheap to clone.
#[derive(Clone)]
pub struct Exposition(Arc<Shared>);

struct Shared {
    handles: Handles,
    snapshot: ArcSwap<Snapshot>,
    /// Latest version that a scraper has received completely, and its time.
    seen_version: AtomicU64,
    seen_at: AtomicI64,
    in_flight: Arc<Semaphore>,
    /// Bounds the memory of pages: each body holds a permit until the last reader has it.
    bodies: Arc<Semaphore>,
    /// Scrapes render one after another, so that those which come together share one result.
    rendered: Arc<Mutex<Rendered>>,
}

#[derive(Default)]
struct Rendered {
    domain: HashMap<(Dialect, Audience), (u64, Arc<String>)>,
    pages: HashMap<Form, (Instant, Page)>,
}

/// One way to write a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Form {
    pub dialect: Dialect,
    pub audience: Audience,
    /// Whether the client takes gzip.
    pub gzip: bool,
}

impl Form {
    /// For a scraper that accepts no gzip.
    pub const fn scraper(dialect: Dialect) -> Self {
        Self {
            dialect,
            audience: Audience::Scraper,
            gzip: false,
        }
    }
}

/// Bytes of a page with the permit for them.
struct Body {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl Body {
    fn share(bytes: Vec<u8>, permit: OwnedSemaphorePermit) -> Bytes {
        Bytes::from_owner(Self {
            bytes,
            _permit: permit,
        })
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A rendered page.
#[derive(Clone, Debug)]
pub struct Page {
    pub body: Bytes,
    /// Whether `body` is gzip.
    pub compressed: bool,
    /// Argument of [`Exposition::mark_seen`].
    pub version: u64,
}

/// The last page that a scraper received completely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) version: u64,
    pub(super) at: UnixNanos,
}

/// Reason why no page is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPage {
    #[error("too many scrapes in flight")]
    Busy,
    #[error("the page could not be rendered, which is a bug; the log says more")]
    Broken,
}

impl Exposition {
    pub fn new(handles: Handles, in_flight: usize) -> Self {
        Self(Arc::new(Shared {
            handles,
            snapshot: ArcSwap::default(),
            seen_version: AtomicU64::new(0),
            seen_at: AtomicI64::new(0),
            in_flight: Arc::new(Semaphore::new(in_flight)),
            bodies: Arc::new(Semaphore::new(in_flight + FORMS)),
            rendered: Arc::default(),
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

    /// A scraper has received the complete page of `version`.
    pub fn mark_seen(&self, version: u64, at: UnixNanos) {
        if self.0.seen_version.load(Ordering::Acquire) < version {
            self.0.seen_at.store(at.get(), Ordering::Release);
            self.0.seen_version.fetch_max(version, Ordering::AcqRel);
        }
    }

    /// The page, at most a quarter of a second old. Older, up to the time-out of a response, while
    /// slow readers hold as many other pages as memory is reserved for.
    pub async fn page(&self, form: Form) -> Result<Page, NoPage> {
        let place = Arc::clone(&self.0.in_flight).try_acquire_owned();
        let place = place.map_err(|_full| NoPage::Busy)?;
        let mut rendered = Arc::clone(&self.0.rendered).lock_owned().await;
        let snapshot = self.0.snapshot.load_full();
        if let Some(page) = rendered.fresh(form, snapshot.version) {
            return Ok(page);
        }
        let Ok(permit) = Arc::clone(&self.0.bodies).try_acquire_owned() else {
            return rendered.last(form).ok_or(NoPage::Busy);
        };
        let shared = Arc::clone(&self.0);
        // A large page takes tens of milliseconds, which no other task shall wait for. Lock and
        // place go along: a client that hangs up must not make room for a second rendering.
        let work = move || {
            let _place = place;
            shared.render(&mut rendered, &snapshot, form, permit)
        };
        let rendering = tokio::task::spawn_blocking(work).await;
        rendering.map_err(|_panic_is_in_the_log| NoPage::Broken)
    }

    /// Only the families whose samples have one of `names`. Never counts as seen.
    /// It is not compressed.
    pub async fn filtered(&self, form: Form, names: &[String]) -> Result<Page, NoPage> {
        let page = self
            .page(Form {
                gzip: false,
                ..form
            })
            .await?;
        let permit = Arc::clone(&self.0.bodies).try_acquire_owned();
        let permit = permit.map_err(|_full| NoPage::Busy)?;
        let names = names.to_owned();
        let work = move || {
            let text = families(&String::from_utf8_lossy(&page.body), &names);
            Page {
                body: Body::share(text.into_bytes(), permit),
                ..page
            }
        };
        // A large page has a hundred thousand lines.
        let filtering = tokio::task::spawn_blocking(work).await;
        filtering.map_err(|_panic_is_in_the_log| NoPage::Broken)
    }
}

fn families(page: &str, names: &[String]) -> String {
    let mut out = String::new();
    let mut wanted = false;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let family = rest.split(' ').next().unwrap_or_default();
            wanted = names.iter().any(|name| is_of(name, family));
        }
        if wanted || line == "# EOF" {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Whether a sample called `name` belongs to `family`.
fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|suffix| ["", "_total", "_bucket", "_sum", "_count"].contains(&suffix))
}

fn render_domain(
    snapshot: &Snapshot,
    (dialect, audience): (Dialect, Audience),
    room: usize,
) -> String {
    let mut text = String::with_capacity(room);
    let mut encoder = Encoder::new(&mut text, dialect, audience);
    for family in &snapshot.families {
        encoder.snapshot(family);
    }
    for gauges in &*snapshot.gauges {
        encoder.gauges(gauges);
    }
    text
}

impl Rendered {
    /// A page of this version that is not too old to be shown again.
    fn fresh(&self, form: Form, version: u64) -> Option<Page> {
        let (at, page) = self.pages.get(&form)?;
        (page.version == version && at.elapsed() < SAMPLE_AGE).then(|| page.clone())
    }

    /// The latest page, of any age.
    fn last(&self, form: Form) -> Option<Page> {
        self.pages.get(&form).map(|(_, page)| page.clone())
    }
}

impl Shared {
    fn render(
        &self,
        rendered: &mut Rendered,
        snapshot: &Snapshot,
        form: Form,
        permit: OwnedSemaphorePermit,
    ) -> Page {
        let began = Instant::now();
        // Mostly nothing is held, and then scrapers and readers share the larger part.
        let audience = if snapshot.has_held() {
            form.audience
        } else {
            Audience::Scraper
        };
        let key = (form.dialect, audience);
        let last = rendered.domain.get(&key);
        // Pages grow slowly: with a little more room than last time none is copied as it grows.
        let room = last.map_or(0, |(_, text)| text.len() + text.len() / 16);
        let known = last.filter(|(version, _)| *version == snapshot.version);
        let domain = match known {
            Some((_, text)) => Arc::clone(text),
            None => Arc::new(render_domain(snapshot, key, room)),
        };
        let page = self.assemble(&domain, snapshot, form, permit);
        self.handles.exporter.set_render_time(began.elapsed());
        rendered.domain.insert(key, (page.version, domain));
        rendered.pages.insert(form, (began, page.clone()));
        page
    }

    fn assemble(
        &self,
        domain: &str,
        snapshot: &Snapshot,
        form: Form,
        permit: OwnedSemaphorePermit,
    ) -> Page {
        let mut own = String::with_capacity(16 * 1024);
        let mut encoder = Encoder::new(&mut own, form.dialect, form.audience);
        self.handles.encode(&mut encoder, snapshot);
        if form.dialect == Dialect::OpenMetrics {
            own.push_str("# EOF\n");
        }
        let worth_it = form.gzip && domain.len() + own.len() >= MIN_GZIP;
        // Writing to memory does not fail; if it did, the page itself is still good.
        let gzipped = worth_it.then(|| compress(domain, &own).ok()).flatten();
        let compressed = gzipped.is_some();
        let bytes = gzipped.unwrap_or_else(|| [domain, &own].concat().into_bytes());
        Page {
            body: Body::share(bytes, permit),
            compressed,
            version: snapshot.version,
        }
    }
}

fn compress(domain: &str, own: &str) -> io::Result<Vec<u8>> {
    let room = Vec::with_capacity((domain.len() + own.len()) / 8);
    let mut encoder = GzBuilder::new().write(room, Compression::fast());
    encoder.write_all(domain.as_bytes())?;
    encoder.write_all(own.as_bytes())?;
    encoder.finish()
}

impl fmt::Debug for Exposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exposition").finish_non_exhaustive()
    }
}
