//! Columns side by side, made to fit a width.

use super::Style;
use super::text::{cut, width};

/// Blanks between two columns.
const GAP: &str = "  ";
/// Blanks before the first.
const INDENT: &str = "  ";

/// What a cell's colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Paint {
    #[default]
    Plain,
    Bold,
    Good,
    Low,
    Gone,
}

impl Paint {
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Bold => Some("1"),
            Self::Good => Some("32"),
            Self::Low => Some("33"),
            Self::Gone => Some("31"),
        }
    }

    pub(super) fn on(self, text: &str, style: &Style) -> String {
        match self.code().filter(|_| style.colour && !text.is_empty()) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text.to_owned(),
        }
    }
}

/// One text of a row.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) paint: Paint,
}

impl Cell {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            paint: Paint::Plain,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// What may be done to make a table narrower, one step after another until it fits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// The column may have so many cells at most.
    Shrink(usize, usize),
    Drop(usize),
}

/// Which columns are shown, and how wide.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    columns: Vec<(Align, Option<usize>)>,
}

impl Layout {
    /// Wide enough for heads and rows, then made narrower step by step. A column without any
    /// text below its head is left out.
    pub(super) fn fit(
        heads: &[(&str, Align)],
        rows: &[Vec<Cell>],
        steps: &[Step],
        style: &Style,
    ) -> Self {
        let columns = heads.iter().enumerate().map(|(at, (head, align))| {
            let cells = rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
            (*align, (widest > 0).then(|| widest.max(width(head))))
        });
        let mut this = Self {
            columns: columns.collect(),
        };
        for step in steps {
            if this.total() <= style.width {
                break;
            }
            this.apply(*step);
        }
        this
    }

    fn total(&self) -> usize {
        let shown = self.columns.iter().filter_map(|(_, width)| *width);
        shown.map(|width| width + GAP.len()).sum::<usize>() + INDENT.len() - GAP.len()
    }

    fn apply(&mut self, step: Step) {
        let (at, most) = match step {
            Step::Shrink(at, most) => (at, Some(most)),
            Step::Drop(at) => (at, None),
        };
        if let Some((_, width)) = self.columns.get_mut(at) {
            *width = width.zip(most).map(|(is, most)| is.min(most));
        }
    }

    /// The cells that a column has; `None` where it is left out.
    pub(super) fn width_of(&self, at: usize) -> Option<usize> {
        self.columns.get(at)?.1
    }

    /// One line, without blanks at its end.
    pub(super) fn line(&self, row: &[Cell], style: &Style) -> String {
        let mut line = String::new();
        let mut blanks = INDENT.len();
        let mut room = style.width;
        for ((align, cells), cell) in self.columns.iter().zip(row) {
            let Some(cells) = *cells else { continue };
            let text = cut(&cell.text, cells);
            let missing = cells - width(&text);
            let before = blanks + if *align == Align::Right { missing } else { 0 };
            let after = if *align == Align::Left { missing } else { 0 };
            // Even the narrowest table may be too wide: what does not fit is cut off.
            let text = cut(&text, room.saturating_sub(before));
            if text.is_empty() {
                blanks = before + after + GAP.len();
                continue;
            }
            room = room.saturating_sub(before + width(&text));
            line.extend(std::iter::repeat_n(' ', before));
            line.push_str(&cell.paint.on(&text, style));
            blanks = after + GAP.len();
        }
        line
    }
}
