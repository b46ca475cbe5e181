use std::sync::Arc;

use super::*;

fn access(key: &Arc<Mutex<&'static str>>) -> Access {
    let key = Arc::clone(key);
    let read = move || Ok(SecretString::from(*key.lock()));
    Access::new(Box::new(read), Box::new(|_| ()))
}

fn secret(key: &str) -> SecretString {
    SecretString::from(key)
}

fn exposed(key: Option<SecretString>) -> Option<String> {
    key.map(|key| key.expose_secret().to_owned())
}

#[tokio::test(start_paused = true)]
async fn concurrent_refusals_do_not_release_the_key() {
    let file = Arc::new(Mutex::new("old"));
    let access = access(&file);
    assert_eq!(exposed(access.try_key()).as_deref(), Some("old"));
    access.accepted(&secret("old"));
    for _ in 0..2 {
        access.refused(Refusal::WrongKey, Some(&secret("old")));
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
    access.refused(Refusal::WrongKey, Some(&secret("key")));
    access.refused(Refusal::ManagementOff, None);
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
    access.accepted(&secret("key"));
    access.refused(Refusal::ManagementOff, None);
    assert_eq!(exposed(access.accepted_key_now()), None);
    let proven = access.probe_key(&CancellationToken::new()).await;
    assert_eq!(exposed(proven).as_deref(), Some("key"));
    access.accepted(&secret("key"));
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
    access.refused(Refusal::WrongKey, None);
    access.refused(Refusal::ManagementOff, None);
    tokio::time::advance(Duration::from_mins(6)).await;
    access.try_key().unwrap();
    access.accepted(&secret("key"));
    let expected = [
        Some(AccessRefusal::WrongKey),
        Some(AccessRefusal::ManagementOff),
        None,
    ];
    assert_eq!(*reports.lock(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_the_pause_of_a_refused_key() {
    let access = access(&Arc::new(Mutex::new("key")));
    for minutes in [5, 10, 20, 130] {
        access.try_key().unwrap();
        access.refused(Refusal::WrongKey, Some(&secret("key")));
        tokio::time::advance(Duration::from_secs(minutes * 60 - 1)).await;
        access.reload();
        assert_eq!(exposed(access.try_key()), None, "{minutes}");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_an_old_key_does_not_withhold_the_new_one() {
    let file = Arc::new(Mutex::new("old"));
    let access = access(&file);
    access.try_key().unwrap();
    access.refused(Refusal::WrongKey, Some(&secret("old")));
    *file.lock() = "new";
    access.reload();
    assert_eq!(exposed(access.try_key()).as_deref(), Some("new"));
    access.refused(Refusal::WrongKey, Some(&secret("old")));
    assert_eq!(exposed(access.try_key()).as_deref(), Some("new"));
    // A success with the old key says nothing about the new one.
    access.accepted(&secret("old"));
    assert_eq!(exposed(access.accepted_key_now()), None);
}

/// A refusal reaches all requests that wait for their turn; a slow provider delays none for long.
#[tokio::test(start_paused = true)]
async fn requests_with_one_key_take_turns_until_cpa_has_checked_it() {
    let access = access(&Arc::new(Mutex::new("key")));
    let key = access.try_key().unwrap();
    let sent = Mutex::new(0);
    let request = async |length| {
        let Some(mut turn) = access.turn(&key).await else {
            return;
        };
        *sent.lock() += 1;
        turn.hold(tokio::time::sleep(length)).await;
    };
    let slow = Duration::from_mins(1);
    let requests = futures_util::future::join_all((0..8).map(|_| request(slow)));
    let began = Instant::now();
    requests.await;
    assert_eq!(began.elapsed(), slow + 7 * VERDICT_TIME);
    assert_eq!(*sent.lock(), 8);
    let refused = async {
        let _turn = access.turn(&key).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        access.refused(Refusal::WrongKey, Some(&key));
    };
    let others = futures_util::future::join_all((0..8).map(|_| request(slow)));
    tokio::join!(refused, others);
    assert_eq!(*sent.lock(), 8, "none of the others was sent");
}
