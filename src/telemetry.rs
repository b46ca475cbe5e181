//! Logging to stderr: format, level, and counts by level, which become a metric.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal as _},
    panic,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::{Context, Layer, SubscriberExt as _},
    reload,
    util::{SubscriberInitExt as _, TryInitError},
};

use crate::config::{LogFormat, LogLevel};
use crate::errors::Chain;

/// The active log; its level can change, its counts can be read.
#[derive(Clone, Debug)]
pub struct Telemetry {
    filter: reload::Handle<Targets, Registry>,
    counts: LogCounts,
}

impl Telemetry {
    /// Starts logging. Works once per process.
    pub fn init(level: LogLevel, format: LogFormat) -> Result<Self, TryInitError> {
        let (filter, handle) = reload::Layer::new(targets(level));
        let counts = LogCounts::default();
        Registry::default()
            .with(filter)
            .with(counts.layer())
            .with(output(format))
            .try_init()?;
        log_panics();
        Ok(Self {
            filter: handle,
            counts,
        })
    }

    /// Without a log, for an exporter inside another program.
    pub fn disabled() -> Self {
        let (_no_log, filter) = reload::Layer::new(Targets::new());
        Self {
            filter,
            counts: LogCounts::default(),
        }
    }

    pub fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.filter.reload(targets(level)) {
            let error = tracing::field::display(Chain(&error));
            tracing::error!(error, "log level could not be changed");
        }
    }

    pub fn counts(&self) -> LogCounts {
        self.counts.clone()
    }
}

/// Libraries log warnings only, unless the level is debug or trace. rustls and its platform
/// verifier (one prefix) log each failed handshake before they return it, and the caller logs it
/// too.
fn targets(level: LogLevel) -> Targets {
    let (ours, theirs, tls) = match level {
        LogLevel::Error => (LevelFilter::ERROR, LevelFilter::ERROR, LevelFilter::OFF),
        LogLevel::Warn => (LevelFilter::WARN, LevelFilter::WARN, LevelFilter::OFF),
        LogLevel::Info => (LevelFilter::INFO, LevelFilter::WARN, LevelFilter::OFF),
        LogLevel::Debug => (LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::INFO),
        LogLevel::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG, LevelFilter::DEBUG),
    };
    Targets::new()
        .with_default(theirs)
        .with_target("cpa_exporter", ours)
        .with_target("rustls", tls)
}

fn output<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let terminal = io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    if text {
        fmt::layer()
            .with_writer(io::stderr)
            .with_ansi(terminal)
            .boxed()
    } else {
        fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr)
            .boxed()
    }
}

/// Logs a panic as a message, so that it has the same format and is counted.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured)
            .then(|| tracing::field::display(backtrace));
        let location = info.location().map(tracing::field::display);
        let message = info.payload_as_str().unwrap_or("of unknown kind");
        tracing::error!(location, backtrace, "panic: {message}");
    }));
}

/// Numbers of messages since the start.
#[derive(Clone, Debug, Default)]
pub struct LogCounts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    error: AtomicU64,
    warn: AtomicU64,
    info: AtomicU64,
    debug: AtomicU64,
}

impl LogCounts {
    /// Label value and number, by severity. Trace messages count as debug.
    pub fn read(&self) -> [(&'static str, u64); 4] {
        let Counters {
            error,
            warn,
            info,
            debug,
        } = &*self.0;
        [
            ("error", error.load(Ordering::Relaxed)),
            ("warn", warn.load(Ordering::Relaxed)),
            ("info", info.load(Ordering::Relaxed)),
            ("debug", debug.load(Ordering::Relaxed)),
        ]
    }

    fn layer(&self) -> CountLayer {
        CountLayer(Arc::clone(&self.0))
    }
}

struct CountLayer(Arc<Counters>);

impl<S: Subscriber> Layer<S> for CountLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let counter = match *event.metadata().level() {
            Level::ERROR => &self.0.error,
            Level::WARN => &self.0.warn,
            Level::INFO => &self.0.info,
            Level::DEBUG | Level::TRACE => &self.0.debug,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_messages_are_counted_and_the_level_can_change() {
        let (filter, handle) = reload::Layer::new(targets(LogLevel::Info));
        let counts = LogCounts::default();
        let telemetry = Telemetry {
            filter: handle,
            counts: counts.clone(),
        };
        let subscriber = Registry::default().with(filter).with(counts.layer());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!("a");
            tracing::info!("b");
            tracing::info!("c");
            tracing::debug!("filtered");
            tracing::info!(target: "redis", "filtered: a library's chatter");
            tracing::warn!(target: "redis", "a library's warning");
            tracing::error!(target: "rustls_platform_verifier::verification::others", "filtered");
            tracing::error!(target: "rustls::common_state", "filtered");
            telemetry.set_level(LogLevel::Trace);
            tracing::debug!("d");
            tracing::trace!("e");
        });
        let expected = [("error", 1), ("warn", 1), ("info", 2), ("debug", 2)];
        assert_eq!(telemetry.counts().read(), expected);
    }
}
