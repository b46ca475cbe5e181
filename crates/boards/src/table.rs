//! Tables: one instant query per column, joined by their labels. `merge` and `organize` go by the
//! letters of the queries, so the letters are part of the layout.

use serde_json::{Map, Value, json};

use crate::panel::{Kit, Panel};
use crate::style::{self, Step};

/// How a column looks.
#[derive(Debug, Default)]
pub(crate) struct Look(Vec<(&'static str, Value)>);

impl Look {
    /// One more mapping beside those there are.
    fn map(&mut self, mapping: Value) {
        let known = self.0.iter_mut().find(|(id, _)| *id == "mappings");
        if let Some((_, Value::Array(all))) = known {
            all.push(mapping);
        } else {
            self.0.push(("mappings", json!([mapping])));
        }
    }

    pub(crate) fn with(mut self, id: &'static str, value: Value) -> Self {
        self.0.push((id, value));
        self
    }

    pub(crate) fn unit(self, unit: &str) -> Self {
        self.with("unit", json!(unit))
    }

    pub(crate) fn decimals(self, decimals: u8) -> Self {
        self.with("decimals", json!(decimals))
    }

    pub(crate) fn steps(self, steps: &[Step]) -> Self {
        self.with("thresholds", style::steps(steps))
            .with("color", style::by_steps())
            .with("custom.cellOptions", json!({"type": "color-text"}))
    }

    pub(crate) fn words(self, mappings: &[Value]) -> Self {
        self.with("mappings", json!(mappings))
    }
}

pub(crate) fn wide(width: u32) -> Look {
    Look::default().with("custom.width", json!(width))
}

pub(crate) fn at_least(width: u32) -> Look {
    Look::default().with("custom.minWidth", json!(width))
}

/// A bar in the cell. Without a maximum it would be scaled over all columns of the table.
pub(crate) fn gauge(width: u32, max: f64, steps: &[Step]) -> Look {
    at_least(width)
        .steps(steps)
        .with(
            "custom.cellOptions",
            json!({"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}),
        )
        .with("min", json!(0))
        .with("max", json!(max))
}

pub(crate) fn quota_gauge(width: u32) -> Look {
    gauge(width, 1.0, style::QUOTA)
        .unit("percentunit")
        .decimals(0)
}

/// Part of a whole. Blue, so that it is never read as good or bad.
pub(crate) fn share_gauge(width: u32) -> Look {
    gauge(width, 1.0, &[("blue", None)])
        .unit("percentunit")
        .decimals(0)
}

pub(crate) fn budget_gauge(width: u32) -> Look {
    gauge(width, 1.0, style::BUDGET)
        .unit("percentunit")
        .decimals(0)
}

pub(crate) fn share(width: u32) -> Look {
    wide(width).unit("percentunit").decimals(0)
}

pub(crate) fn dollars(width: u32) -> Look {
    wide(width).unit("currencyUSD").decimals(2)
}

/// Big numbers nobody compares to the last digit.
pub(crate) fn rounded(width: u32) -> Look {
    wide(width).unit("short").decimals(1)
}

pub(crate) fn seconds(width: u32, decimals: u8) -> Look {
    wide(width).unit("s").decimals(decimals)
}

/// Time left, with days, in figures that align and sort.
pub(crate) fn countdown(width: u32) -> Look {
    wide(width).unit("dtdhms")
}

pub(crate) fn count(width: u32) -> Look {
    wide(width).unit("locale").decimals(0)
}

pub(crate) fn failed_share(width: u32) -> Look {
    wide(width)
        .unit("percentunit")
        .decimals(1)
        .steps(style::FAILED)
}

#[derive(Debug)]
pub(crate) struct Table<'a> {
    kit: Kit<'a>,
    panel: Panel,
    columns: Vec<Column>,
    queries: usize,
    /// The first query: where it has no rows, the table has none.
    rows: String,
}

/// Label values of the one row of an empty table; `sorted_by` maps them to words.
pub(crate) const NONE: &str = "∅";
const UNKNOWN: &str = "?";

#[derive(Debug)]
struct Column {
    /// As Prometheus' answer calls it: a label, or `Value #A`.
    source: String,
    shown: String,
    look: Look,
}

impl<'a> Kit<'a> {
    pub(crate) fn table(&self, key: &str) -> Table<'a> {
        let dash = self.t.word("dash");
        // No footer: Grafana 13 has another form of it than 11 and 12.
        let options = json!({"showHeader": true, "cellHeight": "sm"});
        let panel = self
            .panel("table", key, true)
            .unit("short")
            .mappings(&[style::nothing(dash, "text")])
            .default(
                "custom",
                json!({"align": "auto", "cellOptions": {"type": "auto"}, "inspect": false,
                       "filterable": false, "minWidth": 60}),
            )
            .field("options", options);
        Table {
            kit: *self,
            panel,
            columns: Vec::new(),
            queries: 0,
            rows: String::new(),
        }
    }
}

impl Table<'_> {
    fn asked(&mut self, template: &str) {
        if self.queries == 0 {
            template.clone_into(&mut self.rows);
        }
        self.queries += 1;
    }

    /// A table without rows shows nothing but its header: Grafana's `noValue` is for tables
    /// without columns. So one row says that there is nothing, or that no exporter answers.
    fn or_words(mut self) -> Self {
        let first = self
            .columns
            .iter_mut()
            .find(|c| !c.source.starts_with("Value"));
        let label = first.expect("a table names its rows");
        let empty = self.panel.json["fieldConfig"]["defaults"]["noValue"].clone();
        let words = style::values(&[
            (NONE, empty.as_str().expect("noValue"), "text"),
            (UNKNOWN, self.kit.t.word("exporter_down"), "text"),
        ]);
        label.look.map(words);
        let row = |text: &str| {
            format!(
                "label_replace(vector(0), \"{}\", \"{text}\", \"\", \"\")",
                label.source
            )
        };
        let query = format!(
            "({} and on () @cpa_up or on () {}) unless on () ({})",
            row(NONE),
            row(UNKNOWN),
            self.rows
        );
        self.queries += 1;
        self.panel = self.panel.query_as("__auto", &query, Some("table"));
        self
    }

    /// A label as a column, named after the word of the same key.
    pub(crate) fn label(mut self, label: &str, look: Look) -> Self {
        let dash = self.kit.t.word("dash").to_owned();
        let look = match label {
            "account" => look.with("links", self.kit.account_links()),
            // `main` is the rule, only the others are worth reading.
            "limit" => look.words(&[style::values(&[("main", &dash, "")])]),
            _ => look,
        };
        self.columns.push(Column {
            source: label.to_owned(),
            shown: self.kit.t.word(label).to_owned(),
            look: look.with("noValue", json!(dash)),
        });
        self
    }

    /// A query as a column.
    pub(crate) fn value(mut self, word: &str, template: &str, look: Look) -> Self {
        self.panel = self.panel.query_as("__auto", template, Some("table"));
        let letter = char::from(b'A' + u8::try_from(self.queries).expect("few queries"));
        self.asked(template);
        self.columns.push(Column {
            source: format!("Value #{letter}"),
            shown: self.kit.t.word(word).to_owned(),
            look: look.with("noValue", json!(self.kit.t.word("dash"))),
        });
        self
    }

    /// A query whose value says nothing: only its labels are shown.
    pub(crate) fn silent(mut self, template: &str) -> Self {
        self.panel = self.panel.query_as("__auto", template, Some("table"));
        self.asked(template);
        self
    }

    /// `hidden`: labels that only join.
    pub(crate) fn sorted_by(self, word: &str, descending: bool, hidden: &[&str]) -> Panel {
        let this = self.or_words();
        let mut exclude = Map::from_iter([("Time".to_owned(), json!(true))]);
        for label in hidden {
            exclude.insert((*label).to_owned(), json!(true));
        }
        let (mut index, mut rename) = (Map::new(), Map::new());
        let mut panel = this.panel;
        let mut values = Vec::new();
        for (place, column) in this.columns.into_iter().enumerate() {
            let source = column.source;
            values.extend(source.starts_with("Value").then(|| source.clone()));
            index.insert(source.clone(), json!(place));
            rename.insert(source, json!(column.shown));
            panel = panel.of(&column.shown, &column.look.0);
        }
        for letter in (b'A'..=b'Z').take(this.queries).map(char::from) {
            let name = format!("Value #{letter}");
            if !values.contains(&name) {
                exclude.insert(name, json!(true));
            }
        }
        let organize = json!({"id": "organize", "options": {
            "excludeByName": exclude, "includeByName": {},
            "indexByName": index, "renameByName": rename,
        }});
        let merge = json!({"id": "merge", "options": {}});
        let sort = json!([{"displayName": this.kit.t.word(word), "desc": descending}]);
        panel
            .field("transformations", json!([merge, organize]))
            .option("sortBy", sort)
    }
}
