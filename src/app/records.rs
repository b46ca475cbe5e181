//! From CPA to the counters: source, spool and ingest thread put together.

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use std::{fs, io};

use anyhow::Context as _;
use rustls::crypto::CryptoProvider;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::decode::{Decoder, HashKey};
use crate::http::Readiness;
use crate::http_client::{self, Limits, Proxy};
use crate::ingest::{self, Ingest, Signal};
use crate::lifecycle::Lifecycle;
use crate::metrics::{Aliases, Caps, Exposition, Handles, Ledger, LedgerConfig};
use crate::model::IngestMode;
use crate::platform::create_private_file;
use crate::source::{self, Access, Inlet, Settings, Shared, Source, Wish};
use crate::spool::{self, SegmentId};

/// Key of this installation's hashes of secrets.
const HASH_KEY_FILE: &str = "hash.key";
const SPOOL_DIRECTORY: &str = "spool";
/// A pop's answer may take its time; what CPA has taken out of its queue is lost when we hang up.
const CPA_LIMITS: Limits = Limits {
    connect: Duration::from_secs(10),
    total: Duration::from_secs(60),
};

/// The parts that records pass, ready to run.
pub(super) struct Records {
    source: Source,
    ingest: Ingest,
    ingest_ended: CancellationToken,
    source_stop: CancellationToken,
    access: KeyedAccess,
}

/// The one judge of the management key, and where its next value comes from.
#[derive(Clone, Debug)]
pub(super) struct KeyedAccess {
    pub(super) access: Arc<Access>,
    secret: Arc<RwLock<config::Secret>>,
}

impl KeyedAccess {
    fn new(secret: config::Secret, handles: &Handles) -> Self {
        let secret = Arc::new(RwLock::new(secret));
        let read = Arc::clone(&secret);
        let reader = move || match read.read() {
            Ok(secret) => secret.read().map_err(|e| e.to_string()),
            Err(_poisoned) => Err("the key is being replaced".to_owned()),
        };
        Self {
            access: Arc::new(Access::new(Box::new(reader), handles.source.clone())),
            secret,
        }
    }

    /// Uses another key, or the same one read anew.
    pub(super) fn replace(&self, secret: config::Secret) {
        if let Ok(mut place) = self.secret.write() {
            *place = secret;
        }
        self.access.reload();
    }
}

impl Records {
    pub(super) fn build(
        config: &Config,
        handles: &Handles,
        exposition: Exposition,
        clock: &Clock,
        readiness: Readiness,
        life: &Lifecycle,
    ) -> anyhow::Result<Self> {
        let storage = &config.storage;
        let random = random_bytes()?;
        let spool_dir = storage.path.join(SPOOL_DIRECTORY);
        let limit = storage.spool_limit.get();
        let (writer, reader) = spool::open(spool_dir, limit, segment_ids(random))?;
        handles.store.set_spool_limit(limit);

        let signal = Signal::default();
        let ingest_ended = CancellationToken::new();
        let parts = ingest::Parts {
            directory: storage.path.clone(),
            reader,
            decoder: Decoder::new(hash_key(&storage.path)?),
            ledger: Ledger::new(ledger_config(config), exposition),
            metrics: handles.store.clone(),
            losses: handles.losses.clone(),
            clock: clock.clone(),
            commit_interval: storage.commit_interval,
            ready: Box::new(move || {
                readiness.set_ready();
                tracing::info!("ready: counters are restored");
            }),
        };
        let ingest = Ingest::start(parts, signal.clone(), ingest_ended.clone())?;

        let access = KeyedAccess::new(config.cpa.management_key.clone(), handles);
        let source_stop = life.soft().child_token();
        let authorities = config
            .cpa
            .tls_ca_file
            .as_deref()
            .map(read_authorities)
            .transpose()?;
        let proxy = match config.cpa.url.is_loopback() {
            true => Proxy::Never,
            false => Proxy::FromEnvironment,
        };
        let source = Source::new(source::Parts {
            settings: settings(config, authorities.as_deref())?,
            inlet: Inlet::new(writer, Arc::new(move || signal.wake())),
            access: Arc::clone(&access.access),
            client: http_client::build(CPA_LIMITS, proxy, authorities.as_deref())?,
            metrics: handles.source.clone(),
            clock: clock.clone(),
            soft: source_stop.clone(),
            hard: life.hard(),
        });
        Ok(Self {
            source,
            ingest,
            ingest_ended,
            source_stop,
            access,
        })
    }

    pub(super) fn access(&self) -> KeyedAccess {
        self.access.clone()
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        self.source.shared()
    }

    /// Takes records until the program stops; then lets the ingest thread commit what is there.
    pub(super) async fn run(self) {
        let Self {
            source,
            ingest,
            ingest_ended,
            source_stop,
            ..
        } = self;
        // Without the thread nothing is stored any more: finish the reply in hand, take no other.
        let stop_with_ingest = async {
            ingest_ended.cancelled().await;
            source_stop.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = source.run() => {}
            () = stop_with_ingest => {}
        }
        let finished = tokio::task::spawn_blocking(move || ingest.finish()).await;
        match finished {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "storing has ended"
                );
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "storing has ended"
                );
            }
        }
    }
}

fn settings(config: &Config, authorities: Option<&[u8]>) -> anyhow::Result<Settings> {
    let cpa = &config.cpa;
    Ok(Settings {
        url: cpa.url.as_url().clone(),
        wish: match cpa.mode {
            config::Mode::Auto => Wish::Auto,
            config::Mode::Pop => Wish::Forced(IngestMode::Pop),
            config::Mode::Subscribe => Wish::Forced(IngestMode::Subscribe),
            config::Mode::Http => Wish::Forced(IngestMode::Http),
        },
        poll_interval: cpa.poll_interval,
        http_poll_interval: cpa.http_poll_interval,
        check_interval: cpa.check_interval,
        pop_bytes: cpa.pop_bytes.get(),
        manage_usage_statistics: cpa.manage_usage_statistics,
        tls: match cpa.url.is_tls() {
            true => Some(http_client::tls_config(authorities)?),
            false => None,
        },
    })
}

fn ledger_config(config: &Config) -> LedgerConfig {
    let caps = &config.metrics.caps;
    LedgerConfig {
        caps: Caps {
            account: caps.account.get() as usize,
            model: caps.model.get() as usize,
            client: caps.client.get() as usize,
            endpoint: caps.endpoint.get() as usize,
            code: caps.code.get() as usize,
            series: caps.series.get() as usize,
            ..Caps::default()
        },
        aliases: Aliases {
            accounts: config.aliases.accounts.clone().into_iter().collect(),
            clients: config.aliases.clients.clone().into_iter().collect(),
        },
        zero_hold: config.metrics.zero_hold,
        exemplars: config.metrics.exemplars,
    }
}

fn read_authorities(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read the CA file {}", path.display()))
}

/// Made at the first start. Without the file equal keys would hash to something new, and every
/// client would look like another one; so a damaged file is an error and not replaced.
fn hash_key(directory: &Path) -> anyhow::Result<HashKey> {
    let path = directory.join(HASH_KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => {
            let key = <[u8; 16]>::try_from(bytes.as_slice()).map_err(|_wrong_length| {
                anyhow::anyhow!(
                    "{} does not hold 16 bytes; put it back from a copy, or remove it to let every \
                     client key get a new name",
                    path.display()
                )
            })?;
            Ok(HashKey(key))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random_bytes()?;
            create_private_file(&path)
                .and_then(|mut file| {
                    io::Write::write_all(&mut file, &key)?;
                    file.sync_all()
                })
                .with_context(|| format!("cannot create {}", path.display()))?;
            Ok(HashKey(key))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn random_bytes() -> anyhow::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_no_detail| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(bytes)
}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// Ids that differ between processes and within one: a random start, then counting on.
fn segment_ids(random: [u8; 16]) -> Box<dyn FnMut() -> SegmentId + Send> {
    let mut next = u128::from_le_bytes(random);
    Box::new(move || {
        next = next
            .wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645)
            .wrapping_add(1);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the upper half is the random one"
        )]
        let id = (next >> 64) as u64;
        SegmentId(id | 1)
    })
}
