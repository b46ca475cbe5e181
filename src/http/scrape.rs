//! The telemetry path: content negotiation, and which scrapes have seen new series.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::{Router, routing::get};

use super::page;
use crate::clock::Clock;
use crate::metrics::{Audience, Dialect, Exposition, Form};

/// Sent by scrapers in the manner of Prometheus: Prometheus, vmagent, Alloy, the OpenTelemetry
/// collector. Browsers and `curl` do not send it.
const SCRAPE_TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

#[derive(Clone, Debug)]
struct Scrape {
    exposition: Exposition,
    clock: Clock,
}

/// Router with the handler at `/`.
pub fn router(exposition: Exposition, clock: Clock) -> Router {
    Router::new()
        .route("/", get(scrape))
        .with_state(Scrape { exposition, clock })
}

async fn scrape(
    State(state): State<Scrape>,
    method: Method,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let form = Form {
        dialect: dialect(text(&headers, &ACCEPT)),
        audience: audience(&headers),
        gzip: wants_gzip(text(&headers, &ACCEPT_ENCODING)),
    };
    let names = names(query.as_deref().unwrap_or_default());
    let page = if names.is_empty() {
        state.exposition.page(form).await
    } else {
        state.exposition.filtered(form, &names).await
    };
    let page = match page {
        Ok(page) => page,
        Err(reason) => return page::text(StatusCode::SERVICE_UNAVAILABLE, reason.to_string()),
    };
    // Only a scraper that got the whole page has seen the zeros of new series.
    if form.audience == Audience::Scraper && names.is_empty() && method == Method::GET {
        state.exposition.mark_seen(page.version, state.clock.now());
    }
    let mut response = Response::new(Body::from(page.body));
    let out = response.headers_mut();
    out.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(form.dialect.content_type()),
    );
    out.insert(
        VARY,
        HeaderValue::from_static("Accept, Accept-Encoding, X-Prometheus-Scrape-Timeout-Seconds"),
    );
    out.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if page.compressed {
        out.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn audience(headers: &HeaderMap) -> Audience {
    if headers.contains_key(SCRAPE_TIMEOUT) {
        Audience::Scraper
    } else {
        Audience::Reader
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
}

/// The values of `name[]`.
fn names(query: &str) -> Vec<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key == "name[]")
        .map(|(_, value)| value.into_owned())
        .collect()
}

/// OpenMetrics for clients that prefer it at least as much as plain text; text for all others.
fn dialect(accept: &str) -> Dialect {
    let mut open_metrics = 0.0_f32;
    let mut plain = 0.0_f32;
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut quality = 1.0_f32;
        let mut version = None;
        for parameter in parts {
            match parameter.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("q") => {
                    quality = value.trim().parse().unwrap_or(0.0);
                }
                Some((name, value)) if name.eq_ignore_ascii_case("version") => {
                    version = Some(value.trim().trim_matches('"'));
                }
                _ => {}
            }
        }
        match (media.as_str(), version) {
            ("application/openmetrics-text", None | Some("1.0.0" | "0.0.1")) => {
                open_metrics = open_metrics.max(quality);
            }
            ("text/plain", None | Some("0.0.4")) => plain = plain.max(quality),
            _ => {}
        }
    }
    if open_metrics > 0.0 && open_metrics >= plain {
        Dialect::OpenMetrics
    } else {
        Dialect::Text
    }
}

fn wants_gzip(accept: &str) -> bool {
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.any(|p| {
            let quality = p.strip_prefix("q=").map(|q| q.trim().parse::<f32>());
            matches!(quality, Some(Ok(0.0)))
        });
        coding.eq_ignore_ascii_case("gzip") && !refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dialect_follows_the_accept_header() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let table = [
            ("", Dialect::Text),
            ("*/*", Dialect::Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Dialect::Text),
            ("text/plain;version=0.0.4", Dialect::Text),
            (prometheus_2, Dialect::OpenMetrics),
            (prometheus_3, Dialect::OpenMetrics),
            ("application/openmetrics-text", Dialect::OpenMetrics),
            ("application/openmetrics-text;q=0", Dialect::Text),
            (
                "application/openmetrics-text;q=0.1,text/plain",
                Dialect::Text,
            ),
            ("application/openmetrics-text;version=2.0.0", Dialect::Text),
        ];
        for (accept, expected) in table {
            assert_eq!(dialect(accept), expected, "{accept}");
        }
    }

    #[test]
    fn gzip_is_used_only_when_accepted() {
        assert!(wants_gzip("gzip"));
        assert!(wants_gzip("deflate, GZIP;q=0.5"));
        assert!(!wants_gzip("gzip;q=0"));
        assert!(!wants_gzip("br"));
        assert!(!wants_gzip(""));
    }

    proptest::proptest! {
        /// Any query and any header, also with damaged percent-encoding.
        #[test]
        fn any_query_and_header_is_read(text in ".{0,200}", name in "[a-z_]{1,20}") {
            let _any = names(&text);
            let _damaged = names(&format!("name[]=%{text}&name%5B%5D={name}"));
            let found = names(&format!("name[]={name}&x={text}"));
            proptest::prop_assert_eq!(found.first(), Some(&name));
            let _any = dialect(&text);
            let _weighted = dialect(&format!("text/plain;q={text},*/*"));
        }
    }
}
