//! Metric families as Prometheus sees them.

/// A metric family as Prometheus sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// With `_total` for counters.
    pub name: &'static str,
    pub kind: Kind,
    /// Label names in the order in which they are written.
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram(Buckets),
    /// Without quantiles: sum and count only.
    Summary,
}

/// Upper bounds in raw units, and how many raw units make one base unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    pub bounds: &'static [u64],
    pub scale: u64,
}

impl Kind {
    /// The word behind `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Summary => "summary",
        }
    }
}
