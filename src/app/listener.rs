//! Channels from the ingest thread to the account and quota tasks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use crate::ingest::Listener;
use crate::model::{LocalQuota, WindowSpan, WindowUsage};
use crate::quota::passive::QuotaSign;

/// Buffered batches of quota observations. A slower receiver misses some; later ones are newer.
const WAITING: usize = 64;

/// The ingest thread's end.
#[derive(Debug)]
pub(super) struct IngestEvents {
    signs: mpsc::Sender<Vec<QuotaSign>>,
    local: watch::Sender<Vec<LocalQuota>>,
    window_usage: watch::Sender<HashMap<WindowSpan, WindowUsage>>,
    accounts_changed: Arc<Notify>,
}

/// The receivers' end.
#[derive(Debug)]
pub(super) struct IngestSubscribers {
    pub(super) signs: mpsc::Receiver<Vec<QuotaSign>>,
    /// Locally counted quotas, for the API beside those of providers.
    pub(super) local: watch::Receiver<Vec<LocalQuota>>,
    pub(super) window_spans: watch::Sender<Arc<BTreeSet<WindowSpan>>>,
    pub(super) window_usage: watch::Receiver<HashMap<WindowSpan, WindowUsage>>,
    pub(super) accounts_changed: Arc<Notify>,
}

pub(super) fn event_channels() -> (IngestEvents, IngestSubscribers) {
    let (sender, signs) = mpsc::channel(WAITING);
    let (local_sender, local) = watch::channel(Vec::new());
    let (usage_sender, window_usage) = watch::channel(HashMap::new());
    let accounts_changed = Arc::new(Notify::new());
    let wire = IngestEvents {
        signs: sender,
        local: local_sender,
        window_usage: usage_sender,
        accounts_changed: Arc::clone(&accounts_changed),
    };
    let ends = IngestSubscribers {
        signs,
        local,
        window_spans: watch::Sender::default(),
        window_usage,
        accounts_changed,
    };
    (wire, ends)
}

impl Listener for IngestEvents {
    fn quota_signs(&self, signs: Vec<QuotaSign>) {
        if !signs.is_empty()
            && let Err(mpsc::error::TrySendError::Full(_)) = self.signs.try_send(signs)
        {
            tracing::debug!("quota observations dropped: the receiver is too slow");
        }
    }

    fn local_quotas(&self, quotas: Vec<LocalQuota>) {
        self.local.send_if_modified(|there| {
            let news = !quotas.is_empty() || !there.is_empty();
            *there = quotas;
            news
        });
    }

    fn window_usage(&self, usage: HashMap<WindowSpan, WindowUsage>) {
        self.window_usage.send_replace(usage);
    }

    fn accounts_changed(&self) {
        self.accounts_changed.notify_one();
    }
}
