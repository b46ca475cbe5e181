//! Who may knock, and when: one management key, and the pause after a refusal.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::refusal::Refusal;
use crate::errors::RepeatLimit;
use crate::metrics::SourceMetrics;

/// Reads the key anew each time, so that a rotated key file is seen.
pub type KeyReader = Box<dyn Fn() -> Result<SecretString, String> + Send + Sync>;

/// How often a refused key's file is looked at for another key.
const KEY_LOOK: Duration = Duration::from_secs(10);

/// The only way to get the key. Everything that talks to CPA asks here first, so that one
/// refusal stops all of it: five failed logins ban the address, RESP and HTTP counted together.
pub struct Access {
    read: KeyReader,
    metrics: SourceMetrics,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Nothing is known against this key.
    key: Option<SecretString>,
    /// And CPA has accepted it.
    admitted: bool,
    refused: Option<Refused>,
    /// Failed logins since the last good one.
    strikes: u32,
    /// What the log has last said of refusals.
    said: Option<&'static str>,
    /// A connection that was let in earlier goes on, so nobody has to log in for records.
    connected: bool,
    /// Attempts to read a key that cannot be read.
    unreadable: RepeatLimit,
}

struct Refused {
    reason: Refusal,
    until: Instant,
    key: Option<SecretString>,
}

impl Access {
    pub fn new(read: KeyReader, metrics: SourceMetrics) -> Self {
        Self {
            read,
            metrics,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The key, as soon as CPA may be asked. `None` when `stop` came first.
    pub async fn key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            // Made before the look, so that no change between the two is missed.
            let changed = self.changed.notified();
            if let Some(key) = self.try_key() {
                return Some(key);
            }
            let look = Instant::now() + KEY_LOOK;
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

    /// The key once CPA has accepted it. `None` when `stop` came first.
    ///
    /// For those who watch from the side: they never spend a login of their own on an unproven
    /// key.
    pub async fn admitted_key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            let changed = self.changed.notified();
            let admitted = self.admitted_now();
            if admitted.is_some() {
                return admitted;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                () = changed => {}
                () = sleep_until(Instant::now() + KEY_LOOK) => {}
            }
        }
    }

    /// For the one who watches even while records need no login: after a refusal it is the first
    /// to try another key, since the connection that brings records may live for weeks.
    pub(crate) async fn proving_key(&self, stop: &CancellationToken) -> Option<SecretString> {
        loop {
            let changed = self.changed.notified();
            if let Some(key) = self.admitted_now() {
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
                () = sleep_until(Instant::now() + KEY_LOOK) => {}
            }
        }
    }

    /// Returns when CPA has refused somebody and nobody has been let in since.
    pub(crate) async fn until_refused(&self) {
        loop {
            let changed = self.changed.notified();
            if self.lock().refused.is_some() {
                return;
            }
            changed.await;
        }
    }

    /// The same without waiting; `None` while CPA has not accepted the key.
    pub(crate) fn admitted_now(&self) -> Option<SecretString> {
        let state = self.lock();
        state.key.clone().filter(|_| state.admitted)
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

    /// A connection for records was let in, and lives until [`Self::disconnected`].
    pub(crate) fn connected(&self) {
        self.lock().connected = true;
        self.admitted();
    }

    pub(crate) fn disconnected(&self) {
        self.lock().connected = false;
    }

    /// CPA let us in.
    pub(crate) fn admitted(&self) {
        let mut state = self.lock();
        state.strikes = 0;
        state.said = None;
        state.admitted = true;
        drop(state);
        self.metrics.set_refused(None);
        self.changed.notify_waiters();
    }

    /// CPA did not. Nobody gets the key again before the pause is over or the key has changed.
    pub(crate) fn refused(&self, reason: Refusal) {
        let mut state = self.lock();
        let wait = state.refuse(reason, Instant::now());
        // Refusals that cost nothing come again soon. One line is enough for as long as they last.
        let said = state.said.replace(reason.as_str());
        drop(state);
        self.metrics.set_refused(Some(reason.as_str()));
        self.changed.notify_waiters();
        if said != Some(reason.as_str()) || reason.concerns_key() {
            tracing::error!(
                reason = reason.as_str(),
                next_try = %humantime::format_duration(wait),
                "{}", reason.remedy()
            );
        }
    }

    /// The operator has changed something: forget the key and the pause. CPA does not forget the
    /// failed logins.
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the key away, and says for how long.
    fn refuse(&mut self, reason: Refusal, now: Instant) -> Duration {
        if reason.concerns_key() {
            self.strikes += 1;
        }
        self.admitted = false;
        let mut refused = Refused {
            reason,
            until: now + reason.wait(self.strikes),
            key: self.key.take(),
        };
        // Calls that were under way together are refused together, all for the one key.
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
        let read = move || Ok(SecretString::from(*key.lock().unwrap()));
        Access::new(Box::new(read), SourceMetrics::default())
    }

    fn exposed(key: Option<SecretString>) -> Option<String> {
        key.map(|key| key.expose_secret().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn calls_refused_together_do_not_free_the_key() {
        let file = Arc::new(Mutex::new("old"));
        let access = access(&file);
        assert_eq!(exposed(access.try_key()).as_deref(), Some("old"));
        access.admitted();
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
        *file.lock().unwrap() = "new";
        assert_eq!(exposed(access.try_key()).as_deref(), Some("new"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lighter_refusal_does_not_shorten_the_pause() {
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
    async fn a_good_key_comes_back_after_a_refusal_that_is_not_its_fault() {
        let access = access(&Arc::new(Mutex::new("key")));
        access.try_key().unwrap();
        access.connected();
        access.refused(Refusal::ManagementOff);
        assert_eq!(exposed(access.admitted_now()), None);
        let proven = access.proving_key(&CancellationToken::new()).await;
        assert_eq!(exposed(proven).as_deref(), Some("key"));
        access.admitted();
        assert_eq!(exposed(access.admitted_now()).as_deref(), Some("key"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_does_not_forget_failed_logins() {
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
