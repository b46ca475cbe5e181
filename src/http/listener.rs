//! Sockets that the server accepts connections from.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// Deletes its file at the end, if it has made it.
#[cfg(unix)]
#[derive(Debug)]
pub struct UnixSocket {
    listener: tokio::net::UnixListener,
    path: Option<PathBuf>,
}

/// A connection of any kind of socket.
pub(super) trait Socket: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Socket for T {}

/// The other end of a connection, an extension of each request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Address(SocketAddr),
    /// Clients of Unix sockets have no address.
    #[cfg(unix)]
    Local,
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl Listener {
    /// Binds a Unix socket in place of one that no process listens to.
    #[cfg(unix)]
    pub fn bind_unix(path: &Path) -> io::Result<Self> {
        use std::os::unix::{fs::FileTypeExt as _, net::UnixStream};
        let metadata = fs::symlink_metadata(path);
        if metadata.is_ok_and(|it| it.file_type().is_socket()) && UnixStream::connect(path).is_err()
        {
            fs::remove_file(path)?;
        }
        Ok(Self::Unix(UnixSocket {
            listener: tokio::net::UnixListener::bind(path)?,
            path: Some(path.to_owned()),
        }))
    }

    #[cfg(not(unix))]
    pub fn bind_unix(_path: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The first socket of systemd's socket activation. `None`: systemd passed none.
    pub fn from_systemd() -> io::Result<Option<Self>> {
        let mut passed = listenfd::ListenFd::from_env();
        #[cfg(unix)]
        if let Ok(Some(listener)) = passed.take_unix_listener(0) {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::UnixListener::from_std(listener)?;
            let path = None;
            return Ok(Some(Self::Unix(UnixSocket { listener, path })));
        }
        let Some(listener) = passed.take_tcp_listener(0)? else {
            return Ok(None);
        };
        listener.set_nonblocking(true)?;
        Ok(Some(Self::Tcp(TcpListener::from_std(listener)?)))
    }

    /// `None` for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix(_) => None,
        }
    }

    /// Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Socket>, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
                }
                Ok((Box::new(stream), Peer::Address(peer)))
            }
            #[cfg(unix)]
            Self::Unix(socket) => {
                let (stream, _unnamed) = socket.listener.accept().await?;
                Ok((Box::new(stream), Peer::Local))
            }
        }
    }
}

impl Peer {
    /// Whether the client runs on this machine; a proxy may do so, too.
    pub(super) fn is_local(self) -> bool {
        match self {
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
            #[cfg(unix)]
            Self::Local => true,
        }
    }
}

#[cfg(unix)]
impl Drop for UnixSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(path = %path.display(), %error, "cannot delete a socket");
        }
    }
}

/// As in `web.listen_address`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(error) => error.fmt(f),
            },
            #[cfg(unix)]
            Self::Unix(socket) => {
                let address = socket.listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                write!(f, "unix:{}", path.unwrap_or(Path::new("")).display())
            }
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Local => f.write_str("a client of the Unix socket"),
        }
    }
}
