//! The files beside the database in the storage directory: the spool and the hash key.

use std::path::Path;
use std::{fs, io};

use anyhow::Context as _;

use crate::decode::HashKey;
use crate::platform::{replace_private_file, storage_remedy};
use crate::spool::{self, Position, Reader, SegmentId, Writer};
use crate::store::{self, Store};

/// Key of this installation's hashes of secrets.
const HASH_KEY_FILE: &str = "hash.key";
const SPOOL_DIRECTORY: &str = "spool";

/// Opens the spool of a storage directory that this process has locked.
pub(crate) fn open_spool(storage: &Path, limit: u64) -> anyhow::Result<(Writer, Reader)> {
    let ids = segment_ids(random_bytes()?);
    Ok(spool::open(storage.join(SPOOL_DIRECTORY), limit, ids)?)
}

/// Opens the database of a locked directory for changes outside the spool.
///
/// As at a start, a database older than its spool begins a new epoch; otherwise the number of the
/// next commit would hide the difference. Refused while the spool holds records that the database
/// does not have: they must be stored first, because a record that an import stores is not counted.
pub(crate) fn open_idle(storage: &Path, spool_limit: u64) -> anyhow::Result<Store> {
    let (_writer, mut reader) = open_spool(storage, spool_limit)?;
    let mut store = Store::open(storage)?;
    store.begin_epoch_if_older_than(reader.commit_number())?;
    let mark = store.spool_mark();
    let position = Position {
        segment: SegmentId(mark.segment),
        offset: mark.offset,
    };
    reader.release(position, store.commits())?;
    anyhow::ensure!(
        !reader.has_frame()?,
        "the spool holds records that are not in the database yet: start the exporter, stop it \
         with SIGTERM, and try again"
    );
    Ok(store)
}

/// Created at the first start. Without the file equal keys would get new hashes, and every client
/// would look new. So a file that is damaged, or missing beside a database, is an error. An empty
/// file requests a new key.
pub(crate) fn hash_key(directory: &Path) -> anyhow::Result<HashKey> {
    const ADVICE: &str = "put it back from a copy of this storage directory, or create it as an \
                          empty file to let every client key get a new name";
    let path = directory.join(HASH_KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) if bytes.is_empty() => new_hash_key(&path),
        Ok(bytes) => {
            let key = <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_wrong_length| {
                anyhow::anyhow!("{} does not hold 16 bytes; {ADVICE}", path.display())
            })?;
            Ok(HashKey(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A database that cannot be read is reported when it is opened for writing.
            let has_clients = store::Reader::open(directory)
                .is_ok_and(|database| database.has_clients().unwrap_or(false));
            anyhow::ensure!(
                !has_clients,
                "{} is missing beside a database whose client names depend on it; {ADVICE}",
                path.display()
            );
            new_hash_key(&path)
        }
        Err(error) => {
            let remedy = storage_remedy(&path, &error);
            Err(error).with_context(|| format!("cannot read {}{remedy}", path.display()))
        }
    }
}

fn new_hash_key(path: &Path) -> anyhow::Result<HashKey> {
    let key = random_bytes()?;
    replace_private_file(path, &key)
        .with_context(|| format!("cannot create {}", path.display()))?;
    Ok(HashKey(key))
}

/// For masks that are neither shown nor stored.
pub(crate) fn ephemeral_hash_key() -> anyhow::Result<HashKey> {
    random_bytes().map(HashKey)
}

pub(super) fn random_bytes() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_no_detail| anyhow::anyhow!("the system returned no random bytes"))?;
    Ok(bytes)
}

/// Ids that differ between processes and within one: a counter with a random start.
fn segment_ids(random: [u8; 16]) -> Box<dyn FnMut() -> SegmentId + Send> {
    let mut next = u128::from_le_bytes(random);
    Box::new(move || {
        next = next
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(1);
        SegmentId((next >> 64) as u64 | 1)
    })
}
