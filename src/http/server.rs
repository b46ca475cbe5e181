//! Connections: their number, time-outs and end.
//!
//! Clients that read nothing cannot block `/-/healthy`: a few connections above the limit are
//! reserved for health checks.

use std::{
    io,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::listener::{Listener, Peer, Socket};
use super::{stream::TimedStream, web_config::WebAccess};
use crate::config::ListenAddress;
use crate::errors::{Chain, RepeatLimit};

/// Time-out of a request head, and of an idle connection.
///
/// Longer than the usual scrape intervals, so that Prometheus keeps its connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Time-out of the request head on a connection of the reserve.
const RESERVE_HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Time-out of a TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time that a peer may take for a response, in addition to the time at the minimum speed.
const WRITE_GRACE: Duration = Duration::from_secs(10);

/// Connections above the limit, for health checks only.
const RESERVE: usize = 16;

/// Maximum size of a request head.
const MAX_HEAD: usize = 32 * 1024;

/// Time for open requests after a stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Pause after a failed accept; the usual cause is a lack of file descriptors, which lasts a while.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the first address that the system supports.
pub async fn bind(address: &ListenAddress) -> io::Result<Listener> {
    if let Some(path) = address.unix_path() {
        return Listener::bind_unix(path);
    }
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for socket in address.bind_to() {
        match TcpListener::bind(&socket).await {
            Ok(listener) => return Ok(listener.into()),
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

/// Routers of the two kinds of connections.
#[derive(Clone, Debug)]
pub struct Routers {
    pub all: Router,
    /// For connections above the limit, one request each.
    pub reserve: Router,
}

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) write_grace: Duration,
}

/// Serves until `stop`; then finishes open requests, within a bound, and returns. `access` decides
/// whether connections use TLS.
pub async fn serve(
    listener: Arc<Listener>,
    routers: Routers,
    access: Option<WebAccess>,
    max_connections: NonZeroU32,
    stop: CancellationToken,
) {
    let limits = Limits {
        connections: usize::try_from(max_connections.get()).unwrap_or(usize::MAX),
        write_grace: WRITE_GRACE,
    };
    serve_within(listener, routers, access, limits, stop).await;
}

pub(super) async fn serve_within(
    listener: Arc<Listener>,
    routers: Routers,
    access: Option<WebAccess>,
    limits: Limits,
    stop: CancellationToken,
) {
    let mut server = Server {
        log: RepeatLimit::default(),
        routers,
        access,
        places: Places::new(limits.connections),
        write_grace: limits.write_grace,
        graceful: GracefulShutdown::new(),
        connections: JoinSet::new(),
    };
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = server.connections.join_next() => server.log_end(ended),
            accepted = accept(&listener, &server.places) => match accepted {
                Ok((stream, peer, place)) => {
                    server.log.forget_old(Instant::now());
                    server.spawn(stream, peer, place);
                }
                Err(error) => {
                    let error = error.to_string();
                    if let Some(repeated) = server.log.log(&error, Instant::now()) {
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

/// Free connections: those for every request, and the reserve.
#[derive(Clone, Debug)]
struct Places {
    all: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
}

/// Permission for one connection.
#[derive(Debug)]
struct Place {
    is_reserve: bool,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    fn new(connections: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(connections.min(Semaphore::MAX_PERMITS))),
            reserve: Arc::new(Semaphore::new(RESERVE)),
        }
    }

    /// Waits for a place; one of the reserve when no other is free. Cancel-safe.
    async fn acquire(&self) -> io::Result<Place> {
        let (is_reserve, permit) = tokio::select! {
            biased;
            permit = Arc::clone(&self.all).acquire_owned() => (false, permit),
            permit = Arc::clone(&self.reserve).acquire_owned() => (true, permit),
        };
        Ok(Place {
            is_reserve,
            _permit: permit.map_err(io::Error::other)?,
        })
    }
}

/// Acquires a permit before it accepts, so that clients above the limit wait in the backlog.
///
/// Cancel-safe: both waits are, and a dropped permit is returned.
async fn accept(
    listener: &Listener,
    places: &Places,
) -> io::Result<(Box<dyn Socket>, Peer, Place)> {
    let mut place = places.acquire().await?;
    let (stream, peer) = listener.accept().await?;
    // A place may have become free since.
    if place.is_reserve
        && let Ok(permit) = Arc::clone(&places.all).try_acquire_owned()
    {
        place = Place {
            is_reserve: false,
            _permit: permit,
        };
    }
    Ok((stream, peer, place))
}

struct Server {
    routers: Routers,
    access: Option<WebAccess>,
    places: Places,
    write_grace: Duration,
    graceful: GracefulShutdown,
    connections: JoinSet<Option<Failed>>,
    log: RepeatLimit,
}

/// Why a connection ended early, as far as the operator can change it.
#[derive(Debug)]
struct Failed {
    peer: Peer,
    reason: String,
}

impl Server {
    fn spawn(&mut self, stream: Box<dyn Socket>, peer: Peer, place: Place) {
        let router = if place.is_reserve {
            let text = "web.max_connections connections are open: others get health checks only";
            if let Some(repeated) = self.log.log(text, Instant::now()) {
                tracing::warn!(%peer, repeated, "{text}");
            }
            self.routers.reserve.clone()
        } else {
            self.routers.all.clone()
        };
        let connection = Connection {
            tls: self.access.as_ref().and_then(WebAccess::tls),
            peer,
            router,
            watcher: self.graceful.watcher(),
            place,
        };
        let stream = TimedStream::new(stream, self.write_grace);
        self.connections.spawn(connection.serve(stream));
    }

    fn log_end(&mut self, ended: Result<Option<Failed>, JoinError>) {
        match ended {
            Ok(None) => {}
            Ok(Some(Failed { peer, reason })) => {
                if let Some(repeated) = self.log.log(&reason, Instant::now()) {
                    tracing::warn!(%peer, repeated, "connection closed: {reason}");
                }
            }
            Err(error) => {
                let error = tracing::field::display(Chain(&error));
                tracing::error!(error, "connection task failed");
            }
        }
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
    tls: Option<Arc<ServerConfig>>,
    peer: Peer,
    router: Router,
    watcher: Watcher,
    place: Place,
}

impl Connection {
    async fn serve(mut self, stream: TimedStream) -> Option<Failed> {
        let Some(tls) = self.tls.take() else {
            return self.serve_http(stream).await;
        };
        let handshake = TlsAcceptor::from(tls).accept(stream);
        let reason = match timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => return self.serve_http(stream).await,
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                format!("the TLS handshake failed: {error}")
            }
            // The client has gone or is silent, as port scanners do.
            Ok(Err(_)) | Err(_) => return None,
        };
        let peer = self.peer;
        Some(Failed { peer, reason })
    }

    async fn serve_http<S>(self, stream: S) -> Option<Failed>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let head_timeout = if self.place.is_reserve {
            RESERVE_HEAD_TIMEOUT
        } else {
            HEAD_TIMEOUT
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(MAX_HEAD)
            .keep_alive(!self.place.is_reserve)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(self.router.layer(Extension(self.peer))),
            );
        let error = self.watcher.watch(connection).await.err()?;
        let peer = self.peer;
        let source = std::error::Error::source(&error);
        let source = source.and_then(|source| source.downcast_ref::<io::Error>());
        if source.is_some_and(|source| source.kind() == io::ErrorKind::TimedOut) {
            let reason = "the client did not read its response in time".to_owned();
            return Some(Failed { peer, reason });
        }
        let error = tracing::field::display(Chain(&error));
        tracing::debug!(%peer, error, "connection ended early");
        None
    }
}
