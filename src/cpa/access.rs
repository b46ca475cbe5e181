//! The management key, and the pause after CPA refuses it.

use std::fmt;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
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

/// The only source of the key. Every request to CPA gets its key here, so that one refusal stops
/// all requests: five failed logins ban the address, RESP and HTTP counted together.
pub struct Access {
    read: KeyReader,
    report: AccessReporter,
    state: Mutex<State>,
    changed: Notify,
}

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
            let same = refused
                .key
                .as_ref()
                .is_some_and(|old| old.expose_secret() == key.expose_secret());
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

    /// CPA accepted a RESP login; the connection is open until [`Self::disconnected`].
    pub(crate) fn connected(&self) {
        self.lock().connected = true;
        self.accepted();
    }

    pub(crate) fn disconnected(&self) {
        self.lock().connected = false;
    }

    /// CPA accepted the key.
    pub(crate) fn accepted(&self) {
        let mut state = self.lock();
        state.strikes = 0;
        state.logged = None;
        // A refusal may have withdrawn the key while another call succeeded with it.
        state.accepted = state.key.is_some();
        drop(state);
        (self.report)(None);
        self.changed.notify_waiters();
    }

    /// CPA refused access. The key is withheld until the pause ends or the key changes.
    pub(crate) fn refused(&self, reason: Refusal) {
        let mut state = self.lock();
        let wait = state.refuse(reason, Instant::now());
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

    /// The operator has changed something: reset the key and the pause, but not the failed logins,
    /// which CPA still counts.
    pub fn reload(&self) {
        let mut state = self.lock();
        *state = State {
            strikes: state.strikes,
            connected: state.connected,
            ..State::default()
        };
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Withholds the key and returns for how long.
    fn refuse(&mut self, reason: Refusal, now: Instant) -> Duration {
        if reason.concerns_key() {
            self.strikes += 1;
        }
        self.accepted = false;
        let mut refused = Refused {
            reason,
            until: now + reason.wait(self.strikes),
            key: self.key.take(),
        };
        // Concurrent calls with the same key are refused together.
        if let Some(before) = self.refused.take() {
            refused.key = refused.key.or(before.key);
            if before.until > refused.until {
                (refused.reason, refused.until) = (before.reason, before.until);
            }
        }
        let wait = refused.until - now;
        self.refused = Some(refused);
        wait
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn access(key: &Arc<Mutex<&'static str>>) -> Access {
        let key = Arc::clone(key);
        let read = move || Ok(SecretString::from(*key.lock()));
        Access::new(Box::new(read), Box::new(|_| ()))
    }

    fn exposed(key: Option<SecretString>) -> Option<String> {
        key.map(|key| key.expose_secret().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_refusals_do_not_release_the_key() {
        let file = Arc::new(Mutex::new("old"));
        let access = access(&file);
        assert_eq!(exposed(access.try_key()).as_deref(), Some("old"));
        access.accepted();
        for _ in 0..2 {
            access.refused(Refusal::WrongKey);
            assert_eq!(exposed(access.try_key()), None);
        }
        tokio::time::advance(Duration::from_mins(9)).await;
        assert_eq!(
            exposed(access.try_key()),
            None,
            "the second pause is longer"
        );
        *file.lock() = "new";
        assert_eq!(exposed(access.try_key()).as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_without_cost_does_not_shorten_the_pause() {
        let access = access(&Arc::new(Mutex::new("key")));
        access.try_key().unwrap();
        access.refused(Refusal::WrongKey);
        access.refused(Refusal::ManagementOff);
        tokio::time::advance(Duration::from_mins(4)).await;
        assert_eq!(exposed(access.try_key()), None);
        tokio::time::advance(Duration::from_mins(2)).await;
        assert!(access.try_key().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_key_is_released_after_a_refusal_without_key_fault() {
        let access = access(&Arc::new(Mutex::new("key")));
        access.try_key().unwrap();
        access.connected();
        access.refused(Refusal::ManagementOff);
        assert_eq!(exposed(access.accepted_key_now()), None);
        let proven = access.probe_key(&CancellationToken::new()).await;
        assert_eq!(exposed(proven).as_deref(), Some("key"));
        access.accepted();
        assert_eq!(exposed(access.accepted_key_now()).as_deref(), Some("key"));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_and_acceptance_are_reported() {
        let reports = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&reports);
        let access = Access::new(
            Box::new(|| Ok(SecretString::from("key"))),
            Box::new(move |reason| seen.lock().push(reason)),
        );
        access.refused(Refusal::WrongKey);
        access.refused(Refusal::ManagementOff);
        access.accepted();
        let expected = [
            Some(AccessRefusal::WrongKey),
            Some(AccessRefusal::ManagementOff),
            None,
        ];
        assert_eq!(*reports.lock(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_keeps_the_count_of_failed_logins() {
        let access = access(&Arc::new(Mutex::new("key")));
        for minutes in [5, 10, 20, 130] {
            access.try_key().unwrap();
            access.refused(Refusal::WrongKey);
            tokio::time::advance(Duration::from_secs(minutes * 60 - 1)).await;
            assert_eq!(exposed(access.try_key()), None, "{minutes}");
            access.reload();
        }
    }
}
