//! The management key, the pause after CPA refuses it, and the turns of requests with it.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::errors::RepeatLimit;
use crate::model::{AccessRefusal, LabelValue as _};

/// Reads the key each time, so that a rotated key file takes effect.
pub type KeyReader = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// Receives the reason of each refusal, and `None` when CPA accepts the key. Must not block.
pub type AccessReporter = Box<dyn Fn(Option<AccessRefusal>) + Send + Sync>;

/// Interval at which the file of a refused key is read again.
const KEY_REREAD: Duration = Duration::from_secs(10);

/// A request that takes longer has passed CPA's check of the key, which takes about 62 ms; the
/// provider behind `api-call` may be slow.
const VERDICT_TIME: Duration = Duration::from_secs(1);

/// The only source of the key. Every request to CPA gets its key here, so that one refusal stops
/// all requests: five failed logins ban the address, RESP and HTTP counted together.
pub struct Access {
    read: KeyReader,
    report: AccessReporter,
    state: Mutex<State>,
    changed: Notify,
    turns: Semaphore,
}

/// The right to send a request whose key CPA may refuse. There is one at a time, because CPA counts
/// each request with a wrong key as a failed login.
#[derive(Debug)]
pub(super) struct Turn<'a>(Option<SemaphorePermit<'a>>);

#[derive(Default)]
struct State {
    /// A key that CPA has not refused.
    key: Option<SecretString>,
    /// CPA has accepted `key`.
    accepted: bool,
    refused: Option<Refused>,
    /// Failed logins since the last successful one.
    strikes: u32,
    /// Reason of the last refusal in the log.
    logged: Option<AccessRefusal>,
    /// A RESP connection is open, so records need no new login.
    connected: bool,
    /// Failed attempts to read the key.
    unreadable: RepeatLimit,
}

struct Refused {
    reason: Refusal,
    until: Instant,
    key: Option<SecretString>,
}

impl Access {
    pub fn new(read: KeyReader, report: AccessReporter) -> Self {
        Self {
            read,
            report,
            state: Mutex::default(),
            changed: Notify::new(),
            turns: Semaphore::new(1),
        }
    }

    /// Waits until CPA may be called and returns the key. `None` when `stop` came first.
    pub async fn key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            // Created before the check, so that no change between the two is missed.
            let changed = self.changed.notified();
            if let Some(key) = self.try_key() {
                return Some(key);
            }
            let look = Instant::now() + KEY_REREAD;
            let until = self
                .lock()
                .refused
                .as_ref()
                .map_or(look, |r| r.until.min(look));
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = changed => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Waits until CPA has accepted the key and returns it. `None` when `stop` came first.
    ///
    /// For secondary requests, which must not spend a login on an unproven key.
    pub async fn accepted_key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            let changed = self.changed.notified();
            let accepted = self.accepted_key_now();
            if accepted.is_some() {
                return accepted;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = changed => {}
                () = sleep_until(Instant::now() + KEY_REREAD) => {}
            }
        }
    }

    /// The key for the periodic checks. After a refusal, the checks are the first to try another
    /// key while the RESP connection stays open, because that connection may live for weeks.
    pub(crate) async fn probe_key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            let changed = self.changed.notified();
            if let Some(key) = self.accepted_key_now() {
                return Some(key);
            }
            let connected = self.lock().connected;
            if let Some(key) = connected.then(|| self.try_key()).flatten() {
                return Some(key);
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = changed => {}
                () = sleep_until(Instant::now() + KEY_REREAD) => {}
            }
        }
    }

    /// Returns when CPA has refused access and has not accepted a key since.
    pub(crate) async fn wait_for_refusal(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().refused.is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Waits for the turn of a request with `key`. `None` if the key was refused or replaced
    /// meanwhile. A refusal of the key must be reported within the turn.
    pub(super) async fn turn(&self, key: &SecretString) -> Option<Turn<'_>> {
        let permit = self.turns.acquire().await.ok()?;
        self.lock().is_current(key).then(|| Turn(Some(permit)))
    }

    /// Like [`Self::accepted_key`] without waiting; `None` while CPA has not accepted the key.
    pub(crate) fn accepted_key_now(&self) -> Option<SecretString> {
        let state = self.lock();
        state.key.clone().filter(|_| state.accepted)
    }

    /// Why CPA refuses access now, if it does.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.lock().refused.as_ref().map(|refused| refused.reason)
    }

    /// The key released last, unless CPA has refused it since.
    pub(super) fn released_key(&self) -> Option<SecretString> {
        self.lock().key.clone()
    }

    fn try_key(&self) -> Option<SecretString> {
        if let Some(key) = &self.lock().key {
            return Some(key.clone());
        }
        let key = match (self.read)() {
            Ok(key) => key,
            Err(error) => {
                let now = Instant::now().into_std();
                if let Some(repeated) = self.lock().unreadable.log(&error, now) {
                    tracing::error!(error, repeated, "management key cannot be read; retrying");
                }
                return None;
            }
        };
        let mut state = self.lock();
        state.unreadable.succeeded();
        if let Some(refused) = &state.refused {
            let same = refused.key.as_ref().is_some_and(|old| is_same(old, &key));
            let other_key = refused.reason.concerns_key() && !same;
            if Instant::now() < refused.until && !other_key {
                return None;
            }
            if other_key {
                tracing::info!("management key changed; logging in again");
            }
        }
        state.refused = None;
        state.key = Some(key.clone());
        Some(key)
    }

    /// Records arrive without a new login until [`Self::disconnected`].
    pub(crate) fn connected(&self) {
        self.lock().connected = true;
    }

    pub(crate) fn disconnected(&self) {
        self.lock().connected = false;
    }

    /// CPA accepted the key.
    pub(crate) fn accepted(&self, key: &SecretString) {
        let mut state = self.lock();
        state.strikes = 0;
        // A refusal may have withdrawn the key while another call succeeded with it.
        if !state.is_current(key) {
            return;
        }
        state.logged = None;
        state.accepted = true;
        drop(state);
        (self.report)(None);
        self.changed.notify_waiters();
    }

    /// CPA refused access, and the key if the reason concerns it. The key is withheld until the
    /// pause ends or the key changes.
    pub(crate) fn refused(&self, reason: Refusal, key: Option<&SecretString>) {
        let mut state = self.lock();
        let Some(wait) = state.refuse(reason, key, Instant::now()) else {
            return;
        };
        // Refusals without a cost are repeated often. Log each once.
        let logged = state.logged.replace(reason.kind());
        drop(state);
        (self.report)(Some(reason.kind()));
        self.changed.notify_waiters();
        if logged != Some(reason.kind()) || reason.concerns_key() {
            tracing::error!(
                reason = reason.kind().as_label(),
                next_try = %humantime::format_duration(wait),
                "{}", reason.remedy()
            );
        }
    }

    /// The operator has changed something: read the key again. A refused key keeps its pause, which
    /// another key ends, and its failed logins, which CPA still counts.
    pub fn reload(&self) {
        let mut state = self.lock();
        let refused = state.refused.take();
        *state = State {
            strikes: state.strikes,
            connected: state.connected,
            refused: refused.filter(|refused| refused.reason.concerns_key()),
            ..State::default()
        };
        let pause = state.refused.as_ref().map(|refused| refused.until);
        drop(state);
        self.changed.notify_waiters();
        if let Some(until) = pause {
            let seconds = until.saturating_duration_since(Instant::now()).as_secs();
            tracing::warn!(
                next_try = %humantime::format_duration(Duration::from_secs(seconds)),
                "CPA has refused the management key: another key is tried at once, the same one \
                 after a pause, because five failed logins ban this address"
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Whether `key` is the released one.
    fn is_current(&self, key: &SecretString) -> bool {
        self.key
            .as_ref()
            .is_some_and(|current| is_same(current, key))
    }

    /// Withholds the key and returns for how long. `None` if the refused key was replaced.
    fn refuse(
        &mut self,
        reason: Refusal,
        key: Option<&SecretString>,
        now: Instant,
    ) -> Option<Duration> {
        if reason.concerns_key() {
            self.strikes += 1;
        }
        if self.key.is_some() && key.is_some_and(|key| !self.is_current(key)) {
            return None;
        }
        self.accepted = false;
        let mut refused = Refused {
            reason,
            until: now + reason.wait(self.strikes),
            key: self.key.take(),
        };
        // Requests with the same key may be refused together.
        if let Some(before) = self.refused.take() {
            refused.key = refused.key.or(before.key);
            if before.until > refused.until {
                (refused.reason, refused.until) = (before.reason, before.until);
            }
        }
        let wait = refused.until - now;
        self.refused = Some(refused);
        Some(wait)
    }
}

impl Turn<'_> {
    /// Awaits a request. The turn ends early if the request takes longer than a refusal.
    pub(super) async fn hold<T>(&mut self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        if let Ok(outcome) = timeout(VERDICT_TIME, &mut request).await {
            return outcome;
        }
        self.0 = None;
        request.await
    }
}

fn is_same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
