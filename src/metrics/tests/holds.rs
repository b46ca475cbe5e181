//! The life of a new series: zero, seen, held, committed, shown.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::super::{Aliases, Caps, CountersConfig, Dialect};
use super::support::{Bench, block_on, domain, failure, route, samples, success};
use crate::clock::Clock;
use crate::http::scrape;
use crate::model::{Dimension, FailureReason, UnixNanos};

const REQUESTS: &str = r#"cpa_requests_total{provider="codex",model="gpt-5",account="codex-1"}"#;
const HOLD: Duration = Duration::from_secs(15);

fn bench() -> Bench {
    with(CountersConfig::default())
}

fn with(config: CountersConfig) -> Bench {
    let mut bench = Bench::new(config);
    bench.name(Dimension::Provider, 1, "codex");
    bench.name(Dimension::Model, 1, "gpt-5");
    bench.name(Dimension::Model, 2, "gpt-5-mini");
    bench.name(Dimension::Account, 1, "codex-1");
    bench
}

fn requests(bench: &Bench) -> Option<u64> {
    number(bench, REQUESTS)
}

fn number(bench: &Bench, sample: &str) -> Option<u64> {
    bench.value(sample).map(|value| value.parse().unwrap())
}

#[test]
fn a_new_series_has_its_value_after_a_scrape_of_its_zero() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    assert_eq!(requests(&bench), None, "not committed, not published");
    bench.commit();
    assert_eq!(requests(&bench), Some(0));
    assert_eq!(
        bench.counters.next_deadline(),
        None,
        "no scrape has shown it"
    );
    bench.wait(HOLD * 100);
    bench.commit();
    assert_eq!(requests(&bench), Some(0), "still no scrape has shown it");

    bench.see();
    assert_eq!(
        bench.counters.next_deadline(),
        Some(bench.now.saturating_add(HOLD))
    );
    bench.wait(Duration::from_millis(14_999));
    assert!(!bench.counters.is_dirty());
    bench.wait(Duration::from_millis(1));
    assert_eq!(requests(&bench), Some(0), "the database does not know yet");
    assert_eq!(bench.counters.next_deadline(), None);
    assert!(bench.counters.is_dirty());
    assert!(
        bench
            .counters
            .staged_rows()
            .filter(|row| row.family == 1)
            .all(|row| row.shown)
    );
    bench.commit();
    assert_eq!(requests(&bench), Some(1));

    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    assert_eq!(requests(&bench), Some(2), "a known series is not held");
}

#[test]
fn a_release_survives_a_failed_transaction() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    bench.see();
    bench.wait(HOLD);
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.counters.rollback();
    bench.counters.publish(bench.now);
    assert_eq!(requests(&bench), Some(0));
    bench.commit();
    assert_eq!(requests(&bench), Some(1));
}

#[test]
fn a_restart_before_the_release_holds_again() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    bench.see();
    bench.wait(HOLD);
    bench.restart();
    assert_eq!(requests(&bench), Some(0));
    bench.settle();
    assert_eq!(requests(&bench), Some(1));
    bench.restart();
    assert_eq!(requests(&bench), Some(1), "shown before, so shown at once");
}

#[test]
fn a_pair_of_code_and_reason_is_held_by_itself() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.settle();
    bench.count(&failure(429, FailureReason::Quota), &route(1, 1, 1, 0));
    bench.commit();
    let failures = r#"cpa_request_failures_total{provider="codex",model="gpt-5",account="codex-1",code="429",reason="quota"}"#;
    assert_eq!(requests(&bench), Some(2));
    assert_eq!(number(&bench, failures), Some(0));
    bench.settle();
    assert_eq!(number(&bench, failures), Some(1));
}

#[test]
fn the_time_of_the_last_request_is_not_held() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    let value = bench.value(r#"cpa_account_last_request_timestamp_seconds{account="codex-1"}"#);
    assert_eq!(value.as_deref(), Some("1800000000"));
}

#[test]
fn a_slot_that_joins_a_held_series_is_held_and_released_with_it() {
    let caps = Caps {
        model: 0,
        ..Caps::default()
    };
    let mut bench = with(CountersConfig {
        caps,
        ..CountersConfig::default()
    });
    let other = r#"cpa_requests_total{provider="codex",model="other",account="codex-1"}"#;
    bench.count(&success(), &route(1, 2, 1, 0));
    bench.commit();
    bench.see();
    bench.wait(HOLD);
    // Born between the end of the hold and the commit that makes it known.
    bench.count(&success(), &route(1, 1, 1, 0));
    assert_eq!(number(&bench, other), Some(0));
    bench.commit();
    assert_eq!(number(&bench, other), Some(2));
    bench.restart();
    assert_eq!(number(&bench, other), Some(2), "never back to zero");
}

#[test]
fn a_held_series_does_not_hide_an_exposed_one_with_the_same_alias() {
    let mut bench = bench();
    bench.name(Dimension::Client, 1, "a...1");
    bench.name(Dimension::Client, 2, "b...2");
    bench.count(&success(), &route(1, 1, 1, 2));
    bench.settle();
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.commit();
    let aliases = Aliases {
        clients: [("a...1".into(), "ci".into()), ("b...2".into(), "ci".into())].into(),
        ..Aliases::default()
    };
    bench.restart_with(CountersConfig {
        aliases,
        ..CountersConfig::default()
    });
    let value = bench.value(r#"cpa_client_requests_total{client="ci",model="gpt-5"}"#);
    assert_eq!(value.as_deref(), Some("2"));
}

#[test]
fn a_clock_that_was_set_back_does_not_prolong_a_hold() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    bench.see();
    bench.now = UnixNanos::from_millis(bench.now.as_millis() - 86_400_000);
    bench.counters.publish(bench.now);
    bench.wait(HOLD);
    bench.commit();
    assert_eq!(requests(&bench), Some(1));
}

#[test]
fn readers_see_values_at_once_and_scrapers_their_zero_first() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    assert_eq!(reader_requests(&bench), None, "not committed");
    bench.commit();
    assert_eq!(reader_requests(&bench), Some(1));
    assert_eq!(requests(&bench), Some(0));
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        assert_ne!(bench.reader_page(dialect), bench.page(dialect));
    }
    // Values, histograms and kinds of one account beside a series that is shown already.
    bench.settle();
    bench.count(&failure(429, FailureReason::Quota), &route(1, 2, 1, 0));
    bench.commit();
    let page = samples(&domain(&bench.reader_page(Dialect::Text)));
    let mini = REQUESTS.replace("gpt-5", "gpt-5-mini");
    assert_eq!((&*page[REQUESTS], &*page[&mini]), ("1", "1"));
    assert_eq!(
        (requests(&bench), number(&bench, &mini)),
        (Some(1), Some(0))
    );
    bench.settle();
    assert_eq!(
        samples(&domain(&bench.reader_page(Dialect::Text))),
        bench.samples()
    );
}

fn reader_requests(bench: &Bench) -> Option<u64> {
    let page = samples(&domain(&bench.reader_page(Dialect::Text)));
    page.get(REQUESTS).map(|value| value.parse().unwrap())
}

/// Asks as a scraper would, or as somebody else; the answer's body.
fn ask(bench: &Bench, method: &Method, uri: &str, scrapes: bool) -> String {
    let (clock, _hand) = Clock::manual(bench.now);
    let router = scrape::router(bench.exposition.clone(), clock);
    let mut request = Request::builder().method(method).uri(uri);
    if scrapes {
        request = request.header("X-Prometheus-Scrape-Timeout-Seconds", "10");
    }
    let request = request.body(Body::empty()).unwrap();
    block_on(async {
        let response = TowerToHyperService::new(router)
            .call(request)
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    })
}

#[test]
fn only_a_complete_page_of_a_scraper_counts_as_seen() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.commit();
    let part = "/?name[]=cpa_requests_total&name[]=cpa_up";
    let not_seen = [
        (Method::HEAD, "/", true),
        (Method::GET, part, true),
        (Method::HEAD, part, true),
        (Method::GET, "/", false),
    ];
    for (method, uri, scrapes) in not_seen {
        let page = ask(&bench, &method, uri, scrapes);
        let value = page.lines().find_map(|line| line.strip_prefix(REQUESTS));
        let shown = (method == Method::GET).then_some(if scrapes { " 0" } else { " 1" });
        assert_eq!(value, shown, "{method} {uri}");
        bench.counters.publish(bench.now);
        assert_eq!(bench.counters.next_deadline(), None, "{method} {uri}");
    }
    ask(&bench, &Method::GET, "/", true);
    bench.counters.publish(bench.now);
    assert_eq!(
        bench.counters.next_deadline(),
        Some(bench.now.saturating_add(HOLD))
    );
}

#[test]
fn a_filtered_page_has_whole_families_and_nothing_else() {
    let mut bench = bench();
    bench.count(&success(), &route(1, 1, 1, 0));
    bench.settle();
    let part = ask(
        &bench,
        &Method::GET,
        "/?name[]=cpa_requests_total&name[]=cpa_request_duration_seconds_count",
        true,
    );
    let names = samples(&part);
    assert_eq!(names.len(), 1 + 15 + 2);
    assert!(names.contains_key(REQUESTS));
    assert_eq!(part.matches("# TYPE ").count(), 2);
    assert_eq!(ask(&bench, &Method::GET, "/?name[]=nothing", true), "");
}
