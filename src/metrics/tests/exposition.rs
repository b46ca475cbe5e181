//! One rendering for all scrapes of one state, and a bound on how many wait for it.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use flate2::read::GzDecoder;
use futures_util::future::join_all;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::super::snapshot::Snapshot;
use super::super::{Dialect, Exposition, Form, NoPage, Page};
use super::support::{Bench, block_on, handles, route, success, text};
use crate::clock::Clock;
use crate::http::scrape;

fn gzip(dialect: Dialect) -> Form {
    Form {
        gzip: true,
        ..Form::scraper(dialect)
    }
}

fn is_shared(a: &Page, b: &Page) -> bool {
    a.body.as_ptr() == b.body.as_ptr()
}

#[test]
fn concurrent_scrapes_share_one_rendering() {
    let bench = Bench::without_hold();
    let pages = block_on(async {
        join_all((0..8).map(|_| bench.exposition.page(gzip(Dialect::OpenMetrics)))).await
    });
    let pages: Vec<Page> = pages.into_iter().map(Result::unwrap).collect();
    assert!(
        pages
            .iter()
            .all(|page| page.compressed && is_shared(page, &pages[0]))
    );
}

#[test]
fn a_page_is_rendered_again_for_a_new_version_or_after_its_maximum_age() {
    let mut bench = Bench::without_hold();
    let page =
        |bench: &Bench| block_on(bench.exposition.page(Form::scraper(Dialect::Text))).unwrap();
    let first = page(&bench);
    assert!(is_shared(&first, &page(&bench)));
    bench.counters.received(1);
    bench.commit();
    let second = page(&bench);
    assert!(second.version > first.version);
    assert!(text(&second).contains("\ncpa_ingest_records_total 1\n"));
    // Values that change all the time may be a quarter of a second old.
    std::thread::sleep(Duration::from_millis(260));
    let third = page(&bench);
    assert_eq!(third.version, second.version);
    assert!(!is_shared(&third, &second));
}

#[test]
fn a_compressed_page_equals_the_plain_one() {
    let mut bench = Bench::without_hold();
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.settle();
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        let page = block_on(bench.exposition.page(gzip(dialect))).unwrap();
        assert!(page.compressed);
        let mut plain = String::new();
        GzDecoder::new(&*page.body)
            .read_to_string(&mut plain)
            .unwrap();
        assert_eq!(
            super::support::domain(&plain),
            super::support::domain(&bench.page(dialect))
        );
    }
}

#[test]
fn scrapes_beyond_the_limit_are_refused() {
    let exposition = Exposition::new(handles(), 2);
    exposition.publish(Arc::new(Snapshot::default()));
    let pages = block_on(async {
        join_all((0..5).map(|_| exposition.page(Form::scraper(Dialect::Text)))).await
    });
    let busy = pages
        .iter()
        .filter(|page| matches!(page, Err(NoPage::Busy)))
        .count();
    assert_eq!(busy, 3);
    assert!(
        block_on(exposition.page(Form::scraper(Dialect::Text))).is_ok(),
        "places come back"
    );

    let none = Exposition::new(handles(), 0);
    let router = scrape::router(none, Clock::system());
    let request = Request::builder().uri("/").body(Body::empty()).unwrap();
    let response = block_on(TowerToHyperService::new(router).call(request)).unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// Readers that keep their pages must not cost memory without bound, nor stop other scrapes.
#[test]
fn pages_that_slow_readers_keep_are_bounded_and_scrapes_go_on() {
    let exposition = Exposition::new(handles(), 2);
    let form = Form::scraper(Dialect::Text);
    let mut kept = Vec::new();
    for version in 1..=50 {
        exposition.publish(Arc::new(Snapshot {
            version,
            ..Snapshot::default()
        }));
        kept.push(block_on(exposition.page(form)).unwrap());
    }
    let mut bodies: Vec<_> = kept.iter().map(|page| page.body.as_ptr()).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 2 + 8);
    assert_eq!(kept.last().unwrap().version, 10);
    drop(kept);
    assert_eq!(block_on(exposition.page(form)).unwrap().version, 50);
}

#[test]
fn a_response_has_headers_of_its_form() {
    let bench = Bench::without_hold();
    let router = scrape::router(bench.exposition.clone(), Clock::system());
    let request = Request::builder()
        .uri("/")
        .header(
            header::ACCEPT,
            "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
        )
        .header(header::ACCEPT_ENCODING, "gzip")
        .body(Body::empty())
        .unwrap();
    let response = block_on(TowerToHyperService::new(router).call(request)).unwrap();
    let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(
        header(header::CONTENT_TYPE),
        Dialect::OpenMetrics.content_type()
    );
    assert_eq!(header(header::CONTENT_ENCODING), "gzip");
    assert_eq!(header(header::CACHE_CONTROL), "no-store");
    assert_eq!(
        header(header::VARY),
        "Accept, Accept-Encoding, X-Prometheus-Scrape-Timeout-Seconds"
    );
}
