//! The writer of a database: the running exporter, or this command if none runs.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use tokio::runtime::{self, Runtime};

use super::exporter::{Exporter, QueryFailure};
use super::money::Setup;
use super::note;
use crate::api::{ImportSummary, RepriceRequest, RepriceStep};
use crate::app::local_api::LocalApi;
use crate::app::offline::Offline;
use crate::platform::{DirLock, LockError};
use crate::store::Store;

pub(super) enum Writer {
    Exporter(Runtime, Exporter),
    Offline {
        database: Box<Offline>,
        _lock: DirLock,
    },
}

impl Writer {
    /// `open` opens the database of a locked directory.
    pub(super) fn open(
        setup: &Setup,
        open: impl FnOnce() -> anyhow::Result<Store>,
    ) -> anyhow::Result<Self> {
        match DirLock::acquire(&setup.storage.path) {
            Ok(lock) => Ok(Self::Offline {
                database: Box::new(setup.offline(open()?)?),
                _lock: lock,
            }),
            Err(in_use @ LockError::InUse { .. }) => Self::connect(&setup.storage.path, in_use),
            Err(error) => Err(error.into()),
        }
    }

    fn connect(storage: &Path, in_use: LockError) -> anyhow::Result<Self> {
        let Some(api) = LocalApi::read(storage)? else {
            return Err(in_use.into());
        };
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self::Exporter(runtime, Exporter::local(&api)?))
    }

    pub(super) fn is_exporter(&self) -> bool {
        matches!(self, Self::Exporter(..))
    }

    pub(super) fn import(&mut self, records: &[Bytes]) -> anyhow::Result<ImportSummary> {
        match self {
            Self::Exporter(runtime, exporter) => {
                let imported = runtime.block_on(exporter.import(records));
                imported.map_err(|failure| explain(failure, "import"))
            }
            Self::Offline { database, .. } => Ok(database.import(records)?),
        }
    }

    /// Reprices the whole range.
    pub(super) fn reprice(&mut self, mut request: RepriceRequest) -> anyhow::Result<RepriceStep> {
        match self {
            Self::Exporter(runtime, exporter) => {
                let mut all = RepriceStep::default();
                loop {
                    let part = runtime.block_on(exporter.reprice(&request));
                    all.add(part.map_err(|failure| explain(failure, "reprice"))?);
                    if all.next.is_none() {
                        return Ok(all);
                    }
                    request.after.clone_from(&all.next);
                }
            }
            Self::Offline { database, .. } => database.reprice(&request),
        }
    }

    /// Ends the work on the database.
    pub(super) fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Exporter(..) => Ok(()),
            Self::Offline { database, .. } => {
                database.store.checkpoint().context("checkpoint failed")
            }
        }
    }
}

/// A failed request to the exporter that uses the directory. Every part that it has finished stays.
fn explain(failure: QueryFailure, command: &str) -> anyhow::Error {
    if let QueryFailure::NobodyThere | QueryFailure::Unreachable(_) = failure {
        note(&format!(
            "the process that uses the storage directory does not answer; run `{command}` again in \
             its network namespace or after its end"
        ));
    }
    if let QueryFailure::Refused { text, .. } = failure {
        return anyhow!("{text}");
    }
    failure.into()
}
