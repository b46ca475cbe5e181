//! Connections: their number, time-outs and end.

use std::{
    io,
    net::SocketAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::config::ListenAddress;
use crate::errors::{Chain, RepeatLimit};

/// Time-out of a request head, and of an idle connection.
///
/// Longer than the usual scrape intervals, so that Prometheus keeps its connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Maximum size of a request head.
const MAX_HEAD: usize = 32 * 1024;

/// Time for open requests after a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Pause after a failed accept; the usual cause is a lack of file descriptors, which lasts a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the first address that the system supports.
pub async fn bind(address: &ListenAddress) -> io::Result<TcpListener> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for socket in address.bind_to() {
        match TcpListener::bind(&socket).await {
            Ok(listener) => return Ok(listener),
            // An error of the other address family would only hide this one.
            Err(error) if is_final(error.kind()) => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn is_final(kind: io::ErrorKind) -> bool {
    kind == io::ErrorKind::AddrInUse || kind == io::ErrorKind::PermissionDenied
}

/// Serves until `stop`; then finishes open requests, within a bound, and returns.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: NonZeroU32,
    stop: CancellationToken,
) {
    let places = usize::try_from(max_connections.get()).unwrap_or(usize::MAX);
    let mut server = Server {
        router,
        places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
        graceful: GracefulShutdown::new(),
        connections: JoinSet::new(),
    };
    let mut failures = RepeatLimit::default();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = server.connections.join_next() => {
                if let Err(error) = ended {
                    let error = tracing::field::display(Chain(&error));
                    tracing::error!(error, "connection task failed");
                }
            }
            accepted = accept(&listener, &server.places) => match accepted {
                Ok((stream, peer, place)) => {
                    failures.succeeded();
                    server.spawn(stream, peer, place);
                }
                Err(error) => {
                    let error = error.to_string();
                    if let Some(repeated) = failures.log(&error, Instant::now()) {
                        tracing::warn!(error, repeated, "connection could not be accepted");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(DRAIN, server.drain()).await.is_err() {
        tracing::debug!("open connections closed at shutdown");
    }
}

/// Acquires a permit before it accepts, so that clients above the limit wait in the backlog.
///
/// Cancel-safe: both waits are, and a dropped permit is returned.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

struct Server {
    router: Router,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
}

impl Server {
    fn spawn(&mut self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
        }
        let connection = Connection {
            stream,
            peer,
            router: self.router.clone(),
            watcher: self.graceful.watcher(),
            _place: place,
        };
        self.connections.spawn(connection.serve());
    }

    async fn drain(self) {
        let Self {
            graceful,
            mut connections,
            ..
        } = self;
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {}
    }
}

struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self) {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .serve_connection(
                TokioIo::new(self.stream),
                TowerToHyperService::new(self.router),
            );
        if let Err(error) = self.watcher.watch(connection).await {
            let error = tracing::field::display(Chain(&error));
            tracing::debug!(peer = %self.peer, error, "connection ended early");
        }
    }
}
