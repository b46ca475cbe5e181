//! Use by groups: a table, JSON, or CSV.

use jiff::tz::TimeZone;

use super::Style;
use super::csv::{Csv, formula_free};
use super::grid::{Align, Cell, Layout, Paint, Step};
use super::text::{line, moment, number};
use crate::api::{Breakdown, BreakdownRow, Usage};

/// Text of a value that does not exist.
const MISSING: &str = "-";

/// Which figures are shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Columns {
    /// Leaves out the kinds of tokens, the success rate and the latency.
    pub compact: bool,
    /// Leaves out cost and value.
    pub no_cost: bool,
}

/// A column after those of the groups.
struct Figure {
    head: &'static str,
    /// In CSV.
    name: &'static str,
    class: Class,
    of: fn(&Usage) -> Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Main,
    Detail,
    Money,
}

#[derive(Clone, Copy)]
enum Value {
    Count(u64),
    Ratio(Option<f64>),
    Seconds(Option<f64>),
    Dollars(f64),
}

const FIGURES: [Figure; 13] = {
    use Class::{Detail, Main, Money};
    use Value::{Count, Dollars, Ratio, Seconds};
    const fn figure(
        head: &'static str,
        name: &'static str,
        class: Class,
        of: fn(&Usage) -> Value,
    ) -> Figure {
        Figure {
            head,
            name,
            class,
            of,
        }
    }
    [
        figure("REQUESTS", "requests", Main, |it| Count(it.requests)),
        figure("FAILED", "failures", Main, |it| Count(it.failures)),
        figure("SUCCESS", "success_ratio", Detail, |it| {
            Ratio(it.success_ratio)
        }),
        figure("INPUT", "input_tokens", Detail, |it| Count(it.tokens.input)),
        figure("CACHE READ", "cache_read_tokens", Detail, |it| {
            Count(it.tokens.cache_read)
        }),
        figure("CACHE WRITE", "cache_write_tokens", Detail, |it| {
            Count(it.tokens.cache_write)
        }),
        figure("OUTPUT", "output_tokens", Detail, |it| {
            Count(it.tokens.output)
        }),
        figure("REASONING", "reasoning_tokens", Detail, |it| {
            Count(it.tokens.reasoning)
        }),
        figure("OTHER", "unclassified_tokens", Detail, |it| {
            Count(it.tokens.unclassified)
        }),
        figure("TOKENS", "total_tokens", Main, |it| Count(it.tokens.total)),
        figure("LATENCY", "mean_latency_seconds", Detail, |it| {
            Seconds(it.mean_latency)
        }),
        figure("COST", "cost_usd", Money, |it| Dollars(it.cost_usd)),
        figure("VALUE", "value_usd", Money, |it| Dollars(it.value_usd)),
    ]
};

impl Columns {
    fn figures(self) -> impl Iterator<Item = &'static Figure> {
        FIGURES.iter().filter(move |figure| match figure.class {
            Class::Main => true,
            Class::Detail => !self.compact,
            Class::Money => !self.no_cost,
        })
    }
}

impl Value {
    fn for_people(self) -> String {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            Self::Count(count) => number(count as f64),
            Self::Ratio(ratio) => {
                ratio.map_or_else(missing, |ratio| format!("{:.1}%", ratio * 100.0))
            }
            Self::Seconds(seconds) => seconds.map_or_else(missing, |it| format!("{it:.1}s")),
            Self::Dollars(dollars) => format!("${dollars:.2}"),
        }
    }

    fn exact(self) -> String {
        match self {
            Self::Count(count) => count.to_string(),
            Self::Ratio(value) | Self::Seconds(value) => {
                value.map_or_else(String::new, |value| value.to_string())
            }
            Self::Dollars(dollars) => dollars.to_string(),
        }
    }
}

fn missing() -> String {
    MISSING.to_owned()
}

/// The body of the API's response.
pub fn json(breakdown: &Breakdown) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(breakdown)? + "\n")
}

/// A row for each group, without the total. All figures, whatever the columns of the table.
pub fn csv(breakdown: &Breakdown) -> String {
    let groups = breakdown.by.iter().map(String::as_str);
    let heads: Vec<&str> = groups.chain(FIGURES.iter().map(|it| it.name)).collect();
    let mut csv = Csv::with_head(&heads);
    for row in &breakdown.rows {
        let figures = FIGURES.iter().map(|figure| (figure.of)(&row.usage).exact());
        let groups = names(breakdown, row).map(formula_free);
        csv.row(&groups.chain(figures).collect::<Vec<_>>());
    }
    csv.into_text()
}

/// A row for each group, the total below.
pub fn table(breakdown: &Breakdown, columns: Columns, zone: &TimeZone, style: &Style) -> String {
    let groups: Vec<String> = breakdown
        .by
        .iter()
        .map(|name| name.to_uppercase())
        .collect();
    let mut heads: Vec<(&str, Align)> = groups
        .iter()
        .map(|name| (name.as_str(), Align::Left))
        .collect();
    heads.extend(columns.figures().map(|figure| (figure.head, Align::Right)));
    let mut rows: Vec<Vec<Cell>> = breakdown
        .rows
        .iter()
        .map(|row| {
            let names = names(breakdown, row).map(|name| Cell::plain(line(name)));
            names
                .chain(figures(columns, &row.usage, &breakdown.total, Paint::Plain))
                .collect()
        })
        .collect();
    rows.push(total(breakdown, columns));
    let layout = Layout::fit(&heads, &rows, &steps(breakdown.by.len(), columns), style);
    let head: Vec<Cell> = heads.iter().map(|(head, _)| Cell::plain(*head)).collect();
    let mut lines = vec![title(breakdown, zone), layout.line(&head, style)];
    lines.extend(rows.iter().map(|row| layout.line(row, style)));
    if breakdown.total.unpriced_requests > 0 && !columns.no_cost {
        lines.push(format!(
            "requests without a price: {}; `cpa-exporter prices missing` lists their models",
            breakdown.total.unpriced_requests
        ));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

fn names<'a>(breakdown: &'a Breakdown, row: &'a BreakdownRow) -> impl Iterator<Item = &'a str> {
    let groups = breakdown.by.iter();
    groups.map(|group| row.group.get(group).map_or(MISSING, String::as_str))
}

/// A detail that the total has none of stays empty, so that the layout leaves out its column.
fn figures(
    columns: Columns,
    usage: &Usage,
    total: &Usage,
    paint: Paint,
) -> impl Iterator<Item = Cell> {
    let is_empty = |figure: &Figure| {
        figure.class == Class::Detail && matches!((figure.of)(total), Value::Count(0))
    };
    columns.figures().map(move |figure| Cell {
        text: if is_empty(figure) {
            String::new()
        } else {
            (figure.of)(usage).for_people()
        },
        paint: if figure.name == "failures" && usage.failures > 0 && paint == Paint::Plain {
            Paint::Low
        } else {
            paint
        },
    })
}

fn total(breakdown: &Breakdown, columns: Columns) -> Vec<Cell> {
    let names = (0..breakdown.by.len()).map(|at| Cell {
        text: if at == 0 {
            "TOTAL".to_owned()
        } else {
            String::new()
        },
        paint: Paint::Bold,
    });
    names
        .chain(figures(
            columns,
            &breakdown.total,
            &breakdown.total,
            Paint::Bold,
        ))
        .collect()
}

/// How the table gets narrower: details go before main figures, names are shortened last.
fn steps(groups: usize, columns: Columns) -> Vec<Step> {
    let shown: Vec<_> = columns.figures().enumerate().collect();
    let narrow = (0..groups).map(|at| Step::Shrink(at, 28));
    let details = shown
        .iter()
        .filter(|(_, figure)| figure.class == Class::Detail);
    let details = details.map(|(at, _)| Step::Drop(groups + at));
    narrow
        .chain(details)
        .chain((0..groups).map(|at| Step::Shrink(at, 14)))
        .collect()
}

fn title(breakdown: &Breakdown, zone: &TimeZone) -> String {
    let time = |seconds| {
        let at = moment(seconds).map(|at| at.to_zoned(zone.clone()));
        at.map_or_else(missing, |at| at.strftime("%Y-%m-%d %H:%M").to_string())
    };
    format!(
        "{} to {} ({})",
        time(breakdown.from),
        time(breakdown.to),
        breakdown.timezone
    )
}

#[cfg(test)]
mod tests;
