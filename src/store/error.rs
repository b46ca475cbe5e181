use std::io::ErrorKind;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::model::FailureClass;
use crate::platform::storage_remedy;

/// What kept the database from taking or giving something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("sqlite")]
    Sqlite(#[from] rusqlite::Error),
    #[error("database file {} could not be opened{}", .0.display(), storage_remedy(.0, .1))]
    Create(PathBuf, #[source] std::io::Error),
    #[error(
        "there is no database {0}; the exporter creates it at its first start; check --storage.path"
    )]
    Absent(PathBuf),
    /// Nothing has been touched.
    #[error(
        "database {path} has schema version {found}, this program knows versions up to {known}; \
         use a newer cpa-exporter, or another storage path"
    )]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    /// Only the exporter itself brings a database up to date.
    #[error(
        "database {path} has schema version {found}, which is not this program's; start the \
         exporter of the same version once"
    )]
    OtherSchema { path: PathBuf, found: i64 },
    /// Nothing has been touched.
    #[error(
        "database {0} was made by a version before the first release, whose schema this program \
         does not read; run `cpa-exporter storage set-aside` and start the exporter again: it \
         begins an empty database and the old file stays beside it"
    )]
    PreRelease(PathBuf),
    /// Nothing has been touched.
    #[error("{0} is a database of another program")]
    Foreign(PathBuf),
    /// The open database is safe in `rescue`.
    #[error(
        "another program has replaced the database {path} while it was open; the database until \
         then is in {rescue}: to continue with it, stop the exporter, delete {path} with its -wal and \
         -shm files and rename {rescue} to it; otherwise the next start uses the new file"
    )]
    Replaced { path: PathBuf, rescue: PathBuf },
    #[error("the database is damaged: {0}")]
    Damaged(String),
    #[error("database holds a value that this program never writes: {0}")]
    Content(&'static str),
}

impl StoreError {
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => FailureClass::Locked,
                Some(ErrorCode::DiskFull) => FailureClass::Full,
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    FailureClass::ReadOnly
                }
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => FailureClass::Corrupt,
                _ => FailureClass::Other,
            },
            Self::Create(_, error) => of_io(error.kind()),
            Self::Content(_) | Self::Damaged(_) => FailureClass::Corrupt,
            Self::Absent(_)
            | Self::Newer { .. }
            | Self::OtherSchema { .. }
            | Self::PreRelease(_)
            | Self::Replaced { .. }
            | Self::Foreign(_) => FailureClass::Other,
        }
    }

    /// Whether waiting cannot help: another version or another program's file.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Newer { .. }
                | Self::OtherSchema { .. }
                | Self::PreRelease(_)
                | Self::Foreign(_)
                | Self::Replaced { .. }
        )
    }
}

fn of_io(kind: ErrorKind) -> FailureClass {
    if kind == ErrorKind::StorageFull {
        FailureClass::Full
    } else if [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem].contains(&kind) {
        FailureClass::ReadOnly
    } else {
        FailureClass::Other
    }
}
