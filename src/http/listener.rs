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

/// Deletes its file at the end.
#[cfg(unix)]
#[derive(Debug)]
pub struct UnixSocket {
    listener: tokio::net::UnixListener,
    path: PathBuf,
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
            path: path.to_owned(),
        }))
    }

    #[cfg(not(unix))]
    pub fn bind_unix(_path: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
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
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "cannot delete a socket");
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
