//! How commands on this machine reach the exporter that uses a storage directory.
//!
//! The directory is private to its owner. So a token in it proves the same right as access to the
//! database, and the commands need no configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use anyhow::Context as _;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::storage::random_bytes;
use crate::http::Listener;
use crate::platform::replace_private_file;

const FILE: &str = "api.json";
const SOCKET: &str = "api.sock";

/// Written at each start with a new token.
#[derive(Serialize, Deserialize)]
pub(crate) struct LocalApi {
    pub(crate) url: String,
    token: String,
    /// Unix socket without TLS and passwords; without one, commands use the URL.
    #[serde(default)]
    pub(crate) socket: Option<PathBuf>,
    #[serde(skip)]
    listener: Mutex<Option<Listener>>,
}

impl LocalApi {
    /// Writes the file of a directory that this process has locked.
    pub(crate) fn create(storage: &Path, listener: Option<SocketAddr>) -> anyhow::Result<Self> {
        use fmt::Write as _;
        let mut token = String::new();
        for byte in [random_bytes()?, random_bytes()?].concat() {
            write!(token, "{byte:02x}")?;
        }
        let url = match listener {
            Some(listener) => format!("http://{}", reachable(listener)),
            None => "http://localhost".to_owned(),
        };
        let path = storage.join(SOCKET);
        let listener = Listener::bind_unix(&path)
            .inspect_err(|error| tracing::debug!(%error, "no Unix socket for local commands"));
        let listener = listener.ok();
        let this = Self {
            url,
            token,
            socket: listener.is_some().then_some(path),
            listener: Mutex::new(listener),
        };
        let path = storage.join(FILE);
        replace_private_file(&path, &serde_json::to_vec(&this)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(this)
    }

    /// Reads the file. `None` if no exporter has used the directory.
    pub(crate) fn read(storage: &Path) -> anyhow::Result<Option<Self>> {
        let path = storage.join(FILE);
        match fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The bound Unix socket, once.
    pub(crate) fn listener(&self) -> Option<Listener> {
        self.listener.lock().take()
    }

    pub(crate) fn token(&self) -> SecretString {
        self.token.clone().into()
    }
}

impl fmt::Debug for LocalApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalApi")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The address for clients on this machine.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, listener.port())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[tokio::test]
    async fn commands_read_the_address_and_a_new_token_of_each_run() {
        let dir = tempfile::tempdir().unwrap();
        assert!(LocalApi::read(dir.path()).unwrap().is_none());
        let tokens = [(); 2].map(|()| {
            let created = LocalApi::create(dir.path(), "0.0.0.0:10317".parse().ok()).unwrap();
            let read = LocalApi::read(dir.path()).unwrap().unwrap();
            assert_eq!(read.socket, Some(dir.path().join(SOCKET)));
            assert!(created.listener().is_some());
            assert_eq!(read.url, "http://127.0.0.1:10317");
            assert_eq!(read.token, created.token);
            assert!(!format!("{read:?}").contains(&read.token));
            read.token().expose_secret().to_owned()
        });
        assert_ne!(tokens[0], tokens[1]);
        assert_eq!(tokens[0].len(), 64);
    }
}
