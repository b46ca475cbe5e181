//! The metric families that boards may use: the exporter's own table, and what Prometheus itself
//! adds to a target.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cpa_exporter::metrics::{self, Kind};

/// What a query needs to know of a family.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) labels: &'static [&'static str],
    pub(crate) origin: Origin,
    /// Upper bounds of a histogram's buckets, in base units.
    pub(crate) bounds: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Exporter,
    Prometheus,
}

/// Made by Prometheus, not by the exporter. `job` and `instance` are on everything.
const OF_PROMETHEUS: &[(&str, &[&str])] = &[
    ("up", &[]),
    ("scrape_duration_seconds", &[]),
    (
        "ALERTS",
        &[
            "alertname",
            "alertstate",
            "severity",
            "provider",
            "account",
            "limit",
            "window",
            "model",
            "client",
            "budget",
        ],
    ),
    // When each alert began to hold, in seconds since the epoch.
    (
        "ALERTS_FOR_STATE",
        &[
            "alertname",
            "severity",
            "provider",
            "account",
            "limit",
            "window",
            "model",
            "client",
            "budget",
        ],
    ),
];

static FAMILIES: LazyLock<BTreeMap<&'static str, Family>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for (name, labels) in OF_PROMETHEUS {
        add(
            &mut all,
            family(name, Shape::Gauge, labels, Origin::Prometheus),
        );
    }
    for (_, families) in metrics::sections() {
        for family in families {
            let (shape, bounds) = shape_of(family.kind);
            let mut ours = self::family(family.name, shape, family.labels, Origin::Exporter);
            ours.bounds = bounds;
            add(&mut all, ours);
        }
    }
    all
});

fn shape_of(kind: Kind) -> (Shape, Vec<f64>) {
    match kind {
        Kind::Counter => (Shape::Counter, vec![]),
        Kind::Gauge => (Shape::Gauge, vec![]),
        Kind::Summary => (Shape::Summary, vec![]),
        Kind::Histogram(buckets) => (Shape::Histogram, bounds_of(buckets)),
    }
}

fn family(
    name: &'static str,
    shape: Shape,
    labels: &'static [&'static str],
    origin: Origin,
) -> Family {
    Family {
        name,
        shape,
        labels,
        origin,
        bounds: vec![],
    }
}

#[expect(clippy::cast_precision_loss, reason = "bounds are small whole numbers")]
fn bounds_of(buckets: metrics::Buckets) -> Vec<f64> {
    let bounds = buckets.bounds.iter();
    bounds
        .map(|bound| *bound as f64 / buckets.scale as f64)
        .collect()
}

fn add(all: &mut BTreeMap<&'static str, Family>, family: Family) {
    let name = family.name;
    assert!(all.insert(name, family).is_none(), "{name} twice");
}

#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = &'static Family> {
    FAMILIES.values()
}

/// The family a series name belongs to: `x_bucket` is of the histogram `x`.
pub(crate) fn family_of(series: &str) -> Option<&'static Family> {
    if let Some(family) = FAMILIES.get(series) {
        let plain = matches!(family.shape, Shape::Counter | Shape::Gauge);
        return plain.then_some(family);
    }
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| {
        let family = FAMILIES.get(series.strip_suffix(suffix)?)?;
        match family.shape {
            Shape::Histogram => Some(family),
            Shape::Summary => (*suffix != "_bucket").then_some(family),
            Shape::Counter | Shape::Gauge => None,
        }
    })
}

/// Grafana's unit for the plain values of a family, by the base unit in its name.
pub(crate) fn unit_of(family: &Family) -> &'static str {
    let name = family.name.trim_end_matches("_total");
    let ends = |suffix: &str| name.ends_with(suffix);
    if ends("_timestamp_seconds") {
        "dateTimeAsIso"
    } else if ends("_seconds") {
        "s"
    } else if ends("_bytes") {
        "bytes"
    } else if ends("_ratio") {
        "percentunit"
    } else if ends("_usd") {
        "currencyUSD"
    } else if ends("_tokens") {
        "short"
    } else if family.shape == Shape::Counter {
        "locale"
    } else {
        "none"
    }
}
