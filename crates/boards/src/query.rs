//! `PromQL` with the selectors written by the catalogue: `@name{more}` becomes `name{…}` with the
//! board's filters on each label that the family really has.

use crate::catalogue::{Origin, family_of};

/// The variables of a board that narrow down a selector, by the label of the same name.
pub(crate) type Filters = &'static [&'static str];

pub(crate) fn expand(template: &str, filters: Filters) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some(at) = rest.find('@') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        if end == 0 {
            // The `@` modifier of PromQL: `x @ end()`.
            out.push('@');
            continue;
        }
        let (name, after) = rest.split_at(end);
        let (more, after) = match after.strip_prefix('{') {
            Some(inside) => inside.split_once('}').expect("a closed selector"),
            None => ("", after),
        };
        out.push_str(&selector(name, more, filters));
        rest = after;
    }
    out + rest
}

fn selector(name: &str, more: &str, filters: Filters) -> String {
    let family = family_of(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
    let mut matchers = vec![own("job"), own("instance")];
    if family.origin == Origin::Exporter {
        let known = filters.iter().filter(|f| family.labels.contains(f));
        matchers.extend(known.map(|label| own(label)));
    }
    matchers.extend((!more.is_empty()).then(|| more.to_owned()));
    format!("{name}{{{}}}", matchers.join(","))
}

fn own(label: &str) -> String {
    format!("{label}=~\"${label}\"")
}

/// The first family of a template, which gives a panel its unit.
pub(crate) fn first_family(template: &str) -> &str {
    let rest = template
        .split('@')
        .nth(1)
        .expect("a query of the catalogue");
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &rest[..end.unwrap_or(rest.len())]
}

/// Only what belongs to an exporter: `up`, `process_*` and `scrape_*` exist for every program that
/// Prometheus scrapes. A day, so that the exporter is known while it is away, too.
pub(crate) fn of_exporters(expr: &str) -> String {
    format!("{expr} and on (job, instance) last_over_time(@cpa_exporter_build_info[1d])")
}

/// Nothing while no exporter answers: an old figure or a fallback would say that all is well.
pub(crate) fn while_up(expr: &str) -> String {
    format!("({expr}) and on () @cpa_up")
}

/// -1 with “–” for `label` where there is nothing to show although an exporter answers. While
/// none answers there is nothing at all, which a tile shows as unknown.
pub(crate) fn or_none(expr: &str, label: &str) -> String {
    format!(
        "{expr} or on () (label_replace(vector(-1), \"{label}\", \"–\", \"\", \"\") and on () @cpa_up)"
    )
}

/// One slice of a graph: the time after its stamp, so that the running slice has a figure and
/// the first half hour of an installation is drawn in a range of days.
pub(crate) const SLICE: &str = "[$__interval] offset -$__interval";

/// The last value of a gauge in each slice.
pub(crate) fn at_slices(gauge: &str) -> String {
    format!("last_over_time({gauge}{SLICE})")
}

/// Names that a timeline can print beside its rows.
const MOST_ROWS: u8 = 25;
/// Lines that can be followed in one graph.
const MOST_LINES: u8 = 10;

/// The label sets with the highest value of a gauge in the range, of equal ones those that had it
/// longest; for `and on (…)`, the same along the whole graph.
fn highest(most: u8, by: &str, gauge: &str) -> String {
    let over =
        |function: &str| format!("max by ({by}) ({function}_over_time({gauge}[$__range] @ end()))");
    format!("topk({most}, {} + {} / 10)", over("max"), over("avg"))
}

pub(crate) fn rows_of_highest(by: &str, gauge: &str) -> String {
    let all = format!("max by ({by}) ({})", at_slices(gauge));
    format!("{all} and on ({by}) {}", highest(MOST_ROWS, by, gauge))
}

/// For names in a tile or beside the rows of a timeline, where Grafana shrinks or cuts long ones.
/// The mark keeps them apart from `glm-1a2b3c`; links need the whole name.
pub(crate) fn short_names(expr: &str) -> String {
    format!("label_replace({expr}, \"account\", \"…$1\", \"account\", \"openai-compatible-(.+)\")")
}

/// `expr` of the label sets `by` with the highest value of `gauge`.
pub(crate) fn lines_of_highest(expr: &str, by: &str, gauge: &str) -> String {
    format!("{expr} and on ({by}) {}", highest(MOST_LINES, by, gauge))
}

/// Growth per bar. A bar covers the time after its stamp, so that the running one is drawn and
/// all bars add up to the range; bars of nothing are left out, and their names with them.
pub(crate) fn bars(by: &str, counter: &str) -> String {
    format!("{} > 0", all_bars(by, counter))
}

/// As `bars`, with the empty ones: for sums over the bars and for quiet hours that must show.
pub(crate) fn all_bars(by: &str, counter: &str) -> String {
    summed(by, &format!("increase({counter}{SLICE})"))
}

fn summed(by: &str, expr: &str) -> String {
    if by.is_empty() {
        format!("sum({expr})")
    } else {
        format!("sum by ({by}) ({expr})")
    }
}

/// Names in a legend that still can be read and told apart by colour.
const MOST_NAMES: u8 = 7;

/// As `bars`, of the names with the most growth over the range; the set is the same in every bar.
pub(crate) fn bars_of_most(by: &str, counter: &str) -> String {
    format!("{} and on ({by}) {}", bars(by, counter), most(by, counter))
}

/// All that `bars_of_most` leaves out, in one.
pub(crate) fn bars_of_others(by: &str, counter: &str) -> String {
    format!(
        "sum(increase({counter}{SLICE}) unless on ({by}) {}) > 0",
        most(by, counter)
    )
}

/// The names with the most growth over the range, for `and on (…)`: a set that is the same along
/// the whole graph. Grafana's last step can lie a bar before now, hence the offset.
pub(crate) fn most(by: &str, counter: &str) -> String {
    format!(
        "topk({MOST_NAMES}, sum by ({by}) \
         (increase({counter}[$__range] @ end() offset -$__interval)))"
    )
}

/// Growth over the chosen range.
pub(crate) fn grown(by: &str, counter: &str) -> String {
    summed(by, &format!("increase({counter}[$__range])"))
}

/// Quantile over the chosen range.
pub(crate) fn quantile(q: &str, by: &str, histogram: &str) -> String {
    quantile_over(q, by, histogram, "[$__range]")
}

pub(crate) fn quantile_over(q: &str, by: &str, histogram: &str, range: &str) -> String {
    let by = if by.is_empty() {
        String::new()
    } else {
        format!(", {by}")
    };
    let (name, more) = histogram.split_once('{').unwrap_or((histogram, ""));
    let more = if more.is_empty() {
        String::new()
    } else {
        format!("{{{more}")
    };
    format!("histogram_quantile({q}, sum by (le{by}) (increase({name}_bucket{more}{range})))")
}

/// Quantile per slice of time and model, left out where fewer than three requests say nothing.
pub(crate) fn quantile_of_slices(q: &str, by: &str, histogram: &str) -> String {
    format!(
        "{} and (sum by ({by}) (increase({histogram}_count{SLICE})) >= 3)",
        quantile_over(q, by, histogram, SLICE)
    )
}

/// Bridges a missed scrape, which would blank every table. States and forecasts are not bridged:
/// they must vanish with their reason.
pub(crate) fn bridged(gauge: &str) -> String {
    format!("last_over_time({gauge}[10m])")
}
