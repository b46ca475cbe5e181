//! Text 0.0.4 and OpenMetrics 1.0 from one encoder.

use super::counter::Cells;
use super::family::{Buckets, Family, Kind};
use super::snapshot::{Audience, Entry, Exemplar, FamilySnapshot, Gauges};
use crate::model::is_invisible;

/// Format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `text/plain; version=0.0.4`.
    Text,
    OpenMetrics,
}

impl Dialect {
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"
            }
        }
    }
}

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// Appends `a="x"` with the value escaped, after a comma unless it is the first label.
pub(super) fn push_label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars().filter(|c| *c == '\n' || !is_invisible(*c)) {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `raw / scale`, exactly, with at least `digits` digits behind the point. `scale` is a power of 10.
pub(super) fn push_decimal(out: &mut String, raw: u64, scale: u64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    if scale == 1 {
        out.push_str(buffer.format(raw));
        return;
    }
    out.push_str(buffer.format(raw / scale));
    // The digit in front keeps the zeros behind the point.
    let fraction = buffer.format(scale + raw % scale);
    let fraction = fraction.get(1..).unwrap_or_default();
    let significant = fraction.trim_end_matches('0').len().max(digits);
    if significant > 0 {
        out.push('.');
        out.push_str(fraction.get(..significant).unwrap_or("0"));
    }
}

/// Text after the labels of each bucket's line; equal for all series of a family.
pub(super) struct Bounds {
    suffixes: Vec<String>,
    scale: u64,
}

impl Bounds {
    pub(super) fn new(Buckets { bounds, scale }: Buckets) -> Self {
        let finite = bounds.iter().map(|bound| {
            let mut suffix = "le=\"".to_owned();
            push_decimal(&mut suffix, *bound, scale, 1);
            suffix.push_str("\"} ");
            suffix
        });
        Self {
            suffixes: finite.chain(["le=\"+Inf\"} ".to_owned()]).collect(),
            scale,
        }
    }

    /// The values of `le`.
    pub(super) fn limits(&self) -> impl Iterator<Item = &str> {
        let suffixes = self.suffixes.iter();
        suffixes.filter_map(|suffix| suffix.split('"').nth(1))
    }
}

/// Writes a page.
pub(super) struct Encoder<'a> {
    out: &'a mut String,
    dialect: Dialect,
    audience: Audience,
}

impl<'a> Encoder<'a> {
    pub(super) fn new(out: &'a mut String, dialect: Dialect, audience: Audience) -> Self {
        Self {
            out,
            dialect,
            audience,
        }
    }

    /// Reader of the page.
    pub(super) const fn audience(&self) -> Audience {
        self.audience
    }

    /// HELP, TYPE and UNIT.
    pub(super) fn head(&mut self, family: &Family) {
        let name = if self.dialect == Dialect::OpenMetrics && family.kind == Kind::Counter {
            family.name.strip_suffix("_total").unwrap_or(family.name)
        } else {
            family.name
        };
        self.push(&["# HELP ", name, " "]);
        for c in family.help.chars() {
            match (c, self.dialect) {
                ('\\', _) => self.out.push_str("\\\\"),
                ('\n', _) => self.out.push_str("\\n"),
                ('"', Dialect::OpenMetrics) => self.out.push_str("\\\""),
                (c, _) => self.out.push(c),
            }
        }
        self.push(&["\n# TYPE ", name, " ", family.kind.as_str(), "\n"]);
        if self.dialect == Dialect::OpenMetrics
            && let Some(unit) = ["seconds", "bytes"].into_iter().find(|u| name.ends_with(u))
        {
            self.push(&["# UNIT ", name, " ", unit, "\n"]);
        }
    }

    /// A stored family with all its series.
    pub(super) fn snapshot(&mut self, snapshot: &FamilySnapshot) {
        if snapshot.entries.is_empty() {
            return;
        }
        let family = &snapshot.family.family;
        self.head(family);
        match snapshot.family.cells {
            Cells::One { scale } => self.counters(snapshot, family, scale),
            Cells::Each { values, scale } => self.kinds(snapshot, family, &(values.0)(), scale),
            Cells::Buckets(buckets) => {
                let bounds = Bounds::new(buckets);
                for Entry { labels, at } in &*snapshot.entries {
                    let (cells, exemplars) =
                        (snapshot.cells(*at, self.audience), snapshot.exemplars(*at));
                    self.histogram(family, labels, &bounds, cells, exemplars);
                }
            }
            Cells::Summary => self.summaries(snapshot, family),
            Cells::Time => self.times(snapshot, family),
        }
    }

    /// `scale` numbers of a cell make one of the page.
    fn counters(&mut self, snapshot: &FamilySnapshot, family: &Family, scale: u64) {
        for Entry { labels, at } in &*snapshot.entries {
            let value = snapshot
                .cells(*at, self.audience)
                .first()
                .copied()
                .unwrap_or_default();
            self.name(family.name, "", labels);
            self.decimal(value, scale, 0);
            self.out.push('\n');
        }
    }

    fn kinds(&mut self, snapshot: &FamilySnapshot, family: &Family, kinds: &[&str], scale: u64) {
        let label = family.labels.last().copied().unwrap_or_default();
        let suffixes: Vec<String> = kinds
            .iter()
            .map(|kind| format!("{label}=\"{kind}\"}} "))
            .collect();
        for Entry { labels, at } in &*snapshot.entries {
            for (suffix, value) in suffixes.iter().zip(snapshot.cells(*at, self.audience)) {
                let comma = if labels.is_empty() { "" } else { "," };
                self.push(&[family.name, "{", labels, comma, suffix]);
                self.decimal(*value, scale, 0);
                self.out.push('\n');
            }
        }
    }

    /// `cells` are the counts of each bucket, not cumulative, and the sum in raw units.
    pub(super) fn histogram(
        &mut self,
        family: &Family,
        labels: &str,
        bounds: &Bounds,
        cells: &[u64],
        exemplars: &[Option<Exemplar>],
    ) {
        let Some((sum, counts)) = cells.split_last() else {
            return;
        };
        let comma = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (at, (count, bound)) in counts.iter().zip(&bounds.suffixes).enumerate() {
            total += count;
            self.push(&[family.name, "_bucket{", labels, comma, bound]);
            self.out.push_str(itoa::Buffer::new().format(total));
            let exemplar = exemplars.get(at).and_then(Option::as_ref);
            if let Some(exemplar) = exemplar.filter(|_| *count > 0) {
                self.exemplar(exemplar, bounds.scale);
            }
            self.out.push('\n');
        }
        self.name(family.name, "_sum", labels);
        self.decimal(*sum, bounds.scale, 0);
        self.out.push('\n');
        self.name(family.name, "_count", labels);
        self.integer(total);
    }

    fn exemplar(&mut self, exemplar: &Exemplar, scale: u64) {
        if self.dialect != Dialect::OpenMetrics {
            return;
        }
        self.push(&[" # {request_id=\"", exemplar.request_id.as_str(), "\"} "]);
        self.decimal(exemplar.value, scale, 1);
        self.out.push(' ');
        let millis = u64::try_from(exemplar.at.as_millis()).unwrap_or_default();
        self.decimal(millis, 1000, 1);
    }

    fn summaries(&mut self, snapshot: &FamilySnapshot, family: &Family) {
        for Entry { labels, at } in &*snapshot.entries {
            let [sum, count] = snapshot.cells(*at, self.audience) else {
                continue;
            };
            self.name(family.name, "_sum", labels);
            self.decimal(*sum, 1000, 0);
            self.out.push('\n');
            self.name(family.name, "_count", labels);
            self.integer(*count);
        }
    }

    fn times(&mut self, snapshot: &FamilySnapshot, family: &Family) {
        for Entry { labels, at } in &*snapshot.entries {
            let nanos = snapshot
                .cells(*at, self.audience)
                .first()
                .copied()
                .unwrap_or_default();
            // A time that is not known yet is left out: 0 would be 1970.
            if nanos > 0 {
                self.name(family.name, "", labels);
                self.decimal(nanos, NANOS, 0);
                self.out.push('\n');
            }
        }
    }

    /// A family whose values are text.
    pub(super) fn gauges(&mut self, gauges: &Gauges) {
        if !gauges.samples.is_empty() {
            self.head(gauges.family);
        }
        for (labels, value) in &gauges.samples {
            self.name(gauges.family.name, "", labels);
            self.push(&[value, "\n"]);
        }
    }

    /// One sample of a family without suffixes.
    pub(super) fn sample(&mut self, family: &Family, labels: &str, value: f64) {
        self.name(family.name, "", labels);
        // Rust prints the shortest text that reads back as the same number.
        let text = if value == f64::INFINITY {
            "+Inf".to_owned()
        } else {
            value.to_string()
        };
        self.push(&[&text, "\n"]);
    }

    fn name(&mut self, name: &str, suffix: &str, labels: &str) {
        if labels.is_empty() {
            self.push(&[name, suffix, " "]);
        } else {
            self.push(&[name, suffix, "{", labels, "} "]);
        }
    }

    fn integer(&mut self, value: u64) {
        self.out.push_str(itoa::Buffer::new().format(value));
        self.out.push('\n');
    }

    fn decimal(&mut self, raw: u64, scale: u64, digits: usize) {
        push_decimal(self.out, raw, scale, digits);
    }

    fn push(&mut self, parts: &[&str]) {
        for part in parts {
            self.out.push_str(part);
        }
    }
}
