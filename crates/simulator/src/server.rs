//! The port: accepts connections, detects RESP or HTTP by the first byte, and dispatches.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::core::Core;
use super::{http, resp};

/// Reply of Go's HTTP server to an invalid request line.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";

/// Maximum length of a request line that is checked before HTTP takes over.
const FIRST_LINE: usize = 8 * 1024;

/// Delay before a retry after an external failure.
const PAUSE: Duration = Duration::from_millis(50);

/// Signals for the two phases of a stop.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Close the port.
    pub(crate) listening: CancellationToken,
    /// Close every connection.
    pub(crate) connected: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            listening: CancellationToken::new(),
            connected: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    pub(crate) fn cancel(&self) {
        self.listening.cancel();
        self.connected.cancel();
    }

    /// Cancels all tasks and waits until they have ended.
    pub(crate) async fn end(&self) {
        self.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Accepts connections until the port closes; a fault can close it temporarily.
pub(crate) async fn listen(
    mut listener: Option<TcpListener>,
    addr: SocketAddr,
    core: Arc<Core>,
    life: Life,
) {
    loop {
        if core.faults.get(|state| state.refuse_connections) {
            listener = None;
        } else if listener.is_none() {
            // If another process has taken the port meanwhile, retry later.
            listener = TcpListener::bind(addr).await.ok();
        }
        tokio::select! {
            () = life.listening.cancelled() => return,
            () = core.faults.changed.notified() => {}
            accepted = accept(listener.as_ref()) => match accepted {
                Ok((stream, peer)) => start(stream, peer, &core, &life),
                // Probably out of file descriptors; they become free as connections end.
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            () = tokio::time::sleep(PAUSE), if listener.is_none() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

fn start(stream: TcpStream, peer: SocketAddr, core: &Arc<Core>, life: &Life) {
    let core = Arc::clone(core);
    let connected = life.connected.clone();
    life.tasks.spawn(async move {
        // The end of a connection is the client's concern; errors are ignored.
        tokio::select! {
            () = connected.cancelled() => {}
            _ended = connection(stream, peer.ip(), core) => {}
        }
    });
}

async fn connection(stream: TcpStream, peer: IpAddr, core: Arc<Core>) -> io::Result<()> {
    // Go does this for every connection.
    stream.set_nodelay(true)?;
    let Some(tls) = core.config.tls.clone() else {
        return sniff(stream, peer, core).await;
    };
    let handshake = TlsAcceptor::from(tls).accept(stream);
    let Ok(stream) = timeout(core.config.sniff_timeout, handshake).await else {
        return Ok(());
    };
    let stream = stream?;
    if stream.get_ref().1.alpn_protocol().is_some() {
        return http::serve(stream, BytesMut::new(), peer, core).await;
    }
    sniff(stream, peer, core).await
}

async fn sniff<S>(mut stream: S, peer: IpAddr, core: Arc<Core>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut first = BytesMut::with_capacity(4096);
    let Ok(read) = timeout(core.config.sniff_timeout, stream.read_buf(&mut first)).await else {
        return Ok(());
    };
    if read? == 0 {
        return Ok(());
    }
    if first.first().copied().is_some_and(resp::is_first_byte) {
        return resp::serve(stream, first, peer.to_canonical().to_string(), &core).await;
    }
    while !first.contains(&b'\n') && first.len() < FIRST_LINE {
        if stream.read_buf(&mut first).await? == 0 {
            return Ok(());
        }
    }
    if !is_request_line(&first) {
        stream.write_all(BAD_REQUEST).await?;
        return stream.shutdown().await;
    }
    http::serve(stream, first, peer, core).await
}

fn is_request_line(bytes: &[u8]) -> bool {
    let line = bytes
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let mut words = line.trim_ascii_end().split(|&byte| byte == b' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    method.is_some_and(|word| !word.is_empty())
        && target.is_some_and(|word| !word.is_empty())
        && version.is_some_and(|word| word.starts_with(b"HTTP/1."))
        && words.next().is_none()
}
