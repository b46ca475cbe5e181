//! Measured values and their table.

use std::io::{self, Write};

/// Limit of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtLeast(f64),
    Below(f64),
    None,
}

/// A line of the table.
#[derive(Clone, Debug)]
struct Figure {
    name: String,
    unit: &'static str,
    bar: Bar,
    values: Vec<f64>,
}

/// Values of several runs by name, in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures(Vec<Figure>);

impl Figures {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        unit: &'static str,
        bar: Bar,
        value: f64,
    ) {
        let name = name.into();
        match self.0.iter_mut().find(|figure| figure.name == name) {
            Some(figure) => figure.values.push(value),
            None => self.0.push(Figure {
                name,
                unit,
                bar,
                values: vec![value],
            }),
        }
    }

    pub(crate) fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let width = self.0.iter().map(|f| f.name.len()).max().unwrap_or(0);
        writeln!(
            out,
            "\n{:width$}  {:>10}  {:>10}  {:>10}  {:>4}  bar",
            "", "median", "min", "max", "runs"
        )?;
        for figure in &self.0 {
            let mut sorted = figure.values.clone();
            sorted.sort_by(f64::total_cmp);
            let median = quantile(&sorted, 0.5);
            let (least, most) = (quantile(&sorted, 0.0), quantile(&sorted, 1.0));
            let (bar, holds) = match figure.bar {
                Bar::AtLeast(bar) => (format!(">= {bar}"), median >= bar),
                Bar::Below(bar) => (format!("< {bar}"), median < bar),
                Bar::None => (String::new(), true),
            };
            writeln!(
                out,
                "{:width$}  {:>10}  {:>10}  {:>10}  {:>4}  {bar} {} {}",
                figure.name,
                short(median),
                short(least),
                short(most),
                sorted.len(),
                figure.unit,
                if holds { "" } else { "MISSED" },
            )?;
        }
        Ok(())
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        0.0..1.0 => format!("{value:.4}"),
        1.0..100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// Quantile of values in ascending order: the smallest one that at least `q` of all do not exceed.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a handful of values"
    )]
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}
