//! Both dialects, with the most hostile values that a label can get.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::super::encode::{Encoder, push_label};
use super::super::{Audience, Dialect, Kind};
use super::support::{Bench, domain, failure, route, samples, success};
use crate::model::{Dimension, Event, FailureReason, UnixNanos, is_invisible, visible};

const HOSTILE: [&str; 8] = [
    r#"quote " brace } comma , hash # {"#,
    r"back\slash\n",
    "new\nline\r\n# HELP cpa_up forged",
    "\u{0}\u{7f}\u{85}control",
    "other",
    "none",
    "Ünïcode 模型 \u{2028}",
    " ",
];

fn hostile() -> Bench {
    let mut bench = Bench::without_hold();
    bench.name(Dimension::Provider, 1, "codex");
    bench.name(Dimension::Account, 1, "codex-1a2b3c");
    bench.name(Dimension::Client, 1, r#"sk-"...\"#);
    for (id, text) in (1..).zip(HOSTILE) {
        bench.name(Dimension::Model, id, text);
    }
    bench.name(Dimension::Model, 9, &"é".repeat(100));
    bench.name(Dimension::Endpoint, 1, "POST /v1/\"messages\"");
    for id in 0..=9 {
        bench.count(&success(), &route(1, id, id % 2, 1));
    }
    bench.count(&failure(429, FailureReason::Other), &route(1, 1, 1, 1));
    bench.settle();
    bench
}

/// A small page is easier to review than the hostile one.
fn small() -> Bench {
    let mut bench = Bench::without_hold();
    bench.name(Dimension::Provider, 1, "codex");
    bench.name(Dimension::Model, 1, HOSTILE[0]);
    bench.name(Dimension::Model, 2, HOSTILE[1]);
    bench.name(Dimension::Model, 3, HOSTILE[2]);
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.count(&failure(429, FailureReason::Other), &route(1, 2, 1, 1));
    bench.count(&failure(500, FailureReason::Upstream), &route(1, 3, 0, 0));
    bench.settle();
    bench
}

#[test]
fn text() {
    insta::assert_snapshot!(domain(&small().page(Dialect::Text)));
}

#[test]
fn open_metrics() {
    insta::assert_snapshot!(domain(&small().page(Dialect::OpenMetrics)));
}

#[test]
fn hostile_values_neither_repeat_a_series_nor_break_a_line() {
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        let page = hostile().page(dialect);
        samples(&page);
        for line in page.lines() {
            let meta = [
                "# HELP cpa_",
                "# TYPE cpa_",
                "# UNIT cpa_",
                "# HELP process_",
                "# TYPE process_",
                "# UNIT process_",
            ];
            let known = meta.iter().any(|start| line.starts_with(start))
                || line.starts_with("cpa_")
                || line.starts_with("process_")
                || line == "# EOF";
            assert!(known, "{line:?}");
            assert!(!line.contains(is_invisible), "{line:?}");
        }
    }
}

#[test]
fn open_metrics_names_counters_without_suffix_gives_units_and_ends() {
    let page = hostile().page(Dialect::OpenMetrics);
    assert!(page.ends_with("\n# EOF\n"));
    assert_eq!(page.matches("# EOF").count(), 1);
    assert!(page.contains("# TYPE cpa_requests counter\n"));
    assert!(page.contains("\ncpa_requests_total{"));
    assert!(!page.contains("# TYPE cpa_requests_total"));
    assert!(page.contains("# UNIT cpa_request_duration_seconds seconds\n"));
    assert!(page.contains("# UNIT cpa_ingest_gap_seconds seconds\n"));
    assert!(page.contains("# UNIT cpa_ingest_bytes bytes\n"));
    let text = hostile().page(Dialect::Text);
    assert!(!text.contains("# EOF") && !text.contains("# UNIT") && !text.contains("request_id"));
}

#[test]
fn both_dialects_have_the_same_samples() {
    let bench = hostile();
    let of = |dialect| samples(&domain(&bench.page(dialect)));
    assert_eq!(of(Dialect::Text), of(Dialect::OpenMetrics));
}

#[test]
fn exemplars_have_plausible_ids_only_and_the_newest_wins() {
    let mut bench = Bench::without_hold();
    let long = "a".repeat(37);
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    // One bucket each.
    let ids = [
        (100, "aaaa"),
        (100, "bbbb"),
        (300, uuid),
        (700, ""),
        (1500, "sk-secret key"),
        (3000, long.as_str()),
        (6000, "ABCDEF"),
    ];
    for (latency_ms, id) in ids {
        let event = Event {
            latency_ms,
            request_id: id.into(),
            stream: false,
            timestamp: UnixNanos::from_millis(1_800_000_000_123),
            ..success()
        };
        bench.count(&event, &route(1, 1, 1, 1));
    }
    bench.settle();
    let page = bench.page(Dialect::OpenMetrics);
    let exemplars: Vec<&str> = page
        .lines()
        .filter_map(|line| line.split_once(" # "))
        .map(|(_, e)| e)
        .collect();
    assert_eq!(
        exemplars,
        [
            r#"{request_id="bbbb"} 0.1 1800000000.223"#,
            r#"{request_id="01234567-89ab-cdef-0123-456789abcdef"} 0.3 1800000000.423"#,
        ]
    );
    // The standard's bound is 128 characters of names and values.
    assert!("request_id".len() + uuid.len() <= 128);
    let mut config = bench.config.clone();
    config.exemplars = false;
    let mut bench = Bench::new(config);
    bench.count(&success(), &route(1, 1, 1, 1));
    bench.settle();
    assert!(!bench.page(Dialect::OpenMetrics).contains("request_id"));
}

#[test]
fn help_is_escaped_as_its_dialect_requires() {
    let family = super::super::Family {
        name: "x",
        kind: Kind::Gauge,
        labels: &[],
        help: "a \\ b \n c \" d",
    };
    let head = |dialect| {
        let mut out = String::new();
        Encoder::new(&mut out, dialect, Audience::Reader).head(&family);
        out.lines().next().unwrap().to_owned()
    };
    assert_eq!(head(Dialect::Text), r#"# HELP x a \\ b \n c " d"#);
    assert_eq!(head(Dialect::OpenMetrics), r#"# HELP x a \\ b \n c \" d"#);
}

#[test]
fn special_numbers_are_written_as_prometheus_reads_them() {
    let family = &super::super::catalogue::exporter::SERIES;
    for (value, text) in [
        (f64::INFINITY, "+Inf"),
        (f64::NAN, "NaN"),
        (-0.5, "-0.5"),
        (1e21, "1000000000000000000000"),
    ] {
        let mut out = String::new();
        Encoder::new(&mut out, Dialect::Text, Audience::Reader).sample(family, "", value);
        assert_eq!(out, format!("{} {text}\n", family.name));
    }
}

type Labels = Vec<(&'static str, String)>;

/// The same facts by prometheus-client: it writes OpenMetrics, and knows nothing of ours.
struct Oracle {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    last_request: Family<Labels, Gauge>,
}

const FAMILIES: [&str; 3] = [
    "cpa_requests_total",
    "cpa_request_duration_seconds",
    "cpa_account_last_request_timestamp_seconds",
];
const BOUNDS: [f64; 14] = [
    0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0,
];

impl Oracle {
    fn new() -> Self {
        let mut this = Self {
            registry: Registry::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            last_request: Family::default(),
        };
        let registry = &mut this.registry;
        registry.register("cpa_requests", "h", this.requests.clone());
        registry.register(FAMILIES[1], "h", this.durations.clone());
        registry.register(FAMILIES[2], "h", this.last_request.clone());
        this
    }

    fn count(&self, event: &Event<'_>, model: &str, account: &str) {
        let account = ("account", visible(account));
        let mut labels = vec![("provider", "codex".to_owned()), ("model", visible(model))];
        let seconds = Duration::from_millis(event.latency_ms).as_secs_f64();
        self.durations.get_or_create(&labels).observe(seconds);
        let last = self
            .last_request
            .get_or_create_owned(&vec![account.clone()]);
        last.set(event.timestamp.as_millis() / 1000);
        labels.push(account);
        self.requests.get_or_create(&labels).inc();
    }
}

#[test]
fn prometheus_client_writes_the_same_samples() {
    let oracle = Oracle::new();
    let mut bench = Bench::without_hold();
    bench.name(Dimension::Provider, 1, "codex");
    for (id, model) in (1..).zip(HOSTILE) {
        let account = format!("{model}-{id}");
        bench.name(Dimension::Model, id, model);
        bench.name(Dimension::Account, id, &account);
        for n in 0..id {
            let event = Event {
                // Eighths of a second add up exactly.
                latency_ms: 125 << (n * 2 % 14),
                timestamp: UnixNanos::from_millis(1_799_999_000_000 + i64::from(n) * 1000),
                stream: false,
                request_id: "".into(),
                ..success()
            };
            bench.count(&event, &route(1, id, id, 0));
            oracle.count(&event, model, &account);
        }
    }
    bench.settle();
    let mut expected = String::new();
    encode(&mut expected, &oracle.registry).unwrap();
    let found = normal(&bench.page(Dialect::OpenMetrics));
    assert_eq!(found, normal(&expected));
    assert_eq!(found.len(), HOSTILE.len() * (1 + 17 + 1));
}

/// The samples of [`FAMILIES`], with `le` behind the others and numbers in one form.
fn normal(page: &str) -> BTreeSet<String> {
    let number = |text: &str| text.parse::<f64>().unwrap().to_string();
    let all = samples(page).into_iter();
    let ours = all.filter(|(name, _)| FAMILIES.iter().any(|family| name.starts_with(family)));
    ours.map(|(name, value)| {
        let found = name.find("le=\"").filter(|_| name.contains("_bucket{"));
        let name = found.map_or(name.clone(), |at| {
            let (head, rest) = name.split_at(at);
            let (bound, tail) = rest[4..].split_once('"').unwrap();
            let labels = format!("{head}{}", tail.trim_start_matches(','));
            format!("{} le {}", labels.replace(",}", "}"), number(bound))
        });
        format!("{name} {}", number(&value))
    })
    .collect()
}

#[test]
fn labels_are_escaped() {
    let mut out = String::new();
    push_label(&mut out, "a", "\\ \" \n");
    push_label(&mut out, "b", "");
    assert_eq!(out, r#"a="\\ \" \n",b="""#);
}
