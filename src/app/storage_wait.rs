//! A start on a full or read-only disk: serves the reason on `/metrics` and `/-/ready`, and waits.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Setup, build_info, notifier};
use crate::clock::Clock;
use crate::errors::RepeatLimit;
use crate::http::{self, Listener, Readiness, Routers, WebAccess};
use crate::metrics::{Exposition, Handles};
use crate::model::FailureClass;
use crate::platform::{Signal, State, create_private_dir, private};

/// Pause between two attempts to write.
const RETRY: Duration = Duration::from_secs(1);
/// Bytes that must fit: more than the first files of a directory have.
static PROBE: [u8; 256 * 1024] = [0; 256 * 1024];

/// Cause of the wait.
#[derive(Clone, Copy)]
struct Cause {
    reason: FailureClass,
    text: &'static str,
}

const FULL: Cause = Cause {
    reason: FailureClass::Full,
    text: "the disk of the storage directory is full; make room",
};
const READ_ONLY: Cause = Cause {
    reason: FailureClass::ReadOnly,
    text: "the disk of the storage directory is read-only; make it writable",
};

/// Returns the listener once the storage directory can be written, or has an error for which waiting
/// is no remedy, which the start reports. `None` after a stop request.
pub(super) async fn wait(
    setup: &Setup,
    listener: Arc<Listener>,
    next_signal: &mut impl AsyncFnMut() -> Signal,
) -> Option<Arc<Listener>> {
    let storage = &setup.config.storage.path;
    let Some(cause) = probe(storage) else {
        return Some(listener);
    };
    let waiting = Waiting::new(setup, cause);
    let stop = CancellationToken::new();
    tracing::info!(
        address = %listener,
        metrics = setup.config.web.telemetry_path.as_str(),
        "serving"
    );
    // A service manager would stop a service that takes too long to start.
    notifier(setup).notify(State::Ready);
    let access = WebAccess::new(&setup.config.web, None);
    let server = http::serve(
        Arc::clone(&listener),
        waiting.routers(setup).restricted(&access),
        Some(access),
        setup.config.web.max_connections,
        stop,
    );
    let stopped = async { while next_signal().await != Signal::Stop {} };
    tokio::select! {
        () = server => None,
        () = stopped => None,
        () = waiting.until_writable(storage) => {
            tracing::info!("the storage directory is writable; starting");
            Some(listener)
        }
    }
}

struct Waiting {
    handles: Handles,
    readiness: Readiness,
    cause: Cause,
}

impl Waiting {
    fn new(setup: &Setup, cause: Cause) -> Self {
        let counts = setup.telemetry.counts();
        Self {
            handles: Handles::new(build_info(), Arc::new(move || counts.read().to_vec())),
            readiness: Readiness::waiting_for(cause.text),
            cause,
        }
    }

    fn routers(&self, setup: &Setup) -> Routers {
        let web = &setup.config.web;
        let in_flight = web.scrape_in_flight.get() as usize;
        let exposition = Exposition::new(self.handles.clone(), in_flight);
        let telemetry = http::scrape::router(exposition, Clock::system());
        http::waiting_routers(telemetry, &web.telemetry_path, self.readiness.clone())
    }

    async fn until_writable(&self, storage: &Path) {
        let mut log = RepeatLimit::default();
        let mut cause = Some(self.cause);
        while let Some(Cause { reason, text }) = cause {
            self.handles.store.commit_failed(reason);
            self.readiness.set_waiting_for(text);
            if let Some(repeated) = log.log(text, Instant::now()) {
                let path = storage.display();
                tracing::error!(%path, repeated, "start delayed: {text}");
            }
            sleep(RETRY).await;
            let path = storage.to_owned();
            cause = tokio::task::spawn_blocking(move || probe(&path))
                .await
                .unwrap_or_default();
        }
    }
}

/// Writes and deletes a file.
fn probe(storage: &Path) -> Option<Cause> {
    let path = storage.join("probe");
    let write = || {
        create_private_dir(storage)?;
        let mut options = OpenOptions::new();
        options.create(true).write(true).truncate(true);
        private(&mut options).open(&path)?.write_all(&PROBE)
    };
    let outcome = write();
    std::fs::remove_file(&path).ok();
    cause(&outcome.err()?)
}

fn cause(error: &io::Error) -> Option<Cause> {
    let kind = error.kind();
    if [ErrorKind::StorageFull, ErrorKind::QuotaExceeded].contains(&kind) {
        Some(FULL)
    } else {
        (kind == ErrorKind::ReadOnlyFilesystem).then_some(READ_ONLY)
    }
}
