use std::{
    ffi::OsString,
    fs::{DirBuilder, Metadata, OpenOptions},
    io,
    path::Path,
};

use super::{Signal, State};

use crate::errors::Chain;

/// A new directory inherits the access list of its parent; profile directories are private.
pub(super) fn make_dir_private(_builder: &mut DirBuilder) {}

pub(super) fn make_file_private(_options: &mut OpenOptions) {}

/// Without file modes there is no warning.
pub fn is_world_readable(_metadata: &Metadata) -> bool {
    false
}

/// Without owners and modes there is no advice.
pub fn access_remedy(_path: &Path, _error: &io::Error) -> String {
    String::new()
}

/// Without owners and modes there is no advice.
pub fn storage_remedy(_path: &Path, _error: &io::Error) -> String {
    String::new()
}

/// Open files cannot be deleted there.
pub fn file_id(_metadata: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Not known without foreign calls.
pub fn free_space(_path: &Path) -> Option<u64> {
    None
}

/// Ctrl-c only.
#[derive(Debug)]
pub struct Signals;

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        if let Err(error) = tokio::signal::ctrl_c().await {
            let error = tracing::field::display(Chain(&error));
            tracing::error!(error, "Ctrl-C handler is not available");
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }
}

/// Without a service manager, states are dropped.
#[derive(Clone, Debug)]
pub struct Notifier;

impl Notifier {
    pub fn new(_socket: Option<OsString>) -> Self {
        Self
    }

    pub fn notify(&self, _state: State) {}
}
