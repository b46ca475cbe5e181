//! One panel, built step by step. What must be true of every panel is put in here once: title,
//! description, unit, `noValue`, data source, selectors.

use serde_json::{Value, json};

use crate::boards;
use crate::catalogue::{family_of, unit_of};
use crate::query::{Filters, expand, first_family};
use crate::style::{self, Step};
use crate::text::Texts;

/// Makes panels for one board in one language.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kit<'a> {
    pub(crate) t: &'a Texts,
    pub(crate) filters: Filters,
}

#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) json: Value,
    pub(crate) key: String,
    filters: Filters,
    instant: bool,
}

impl Kit<'_> {
    pub(crate) fn panel(&self, kind: &str, key: &str, instant: bool) -> Panel {
        let empty = self.t.panel_empty(key);
        let empty = empty.unwrap_or_else(|| self.t.word("nothing"));
        let json = json!({
            "type": kind,
            "title": self.t.panel_title(key),
            "description": self.t.panel_about(key),
            "datasource": datasource(),
            "targets": [],
            "interval": "1m",
            "fieldConfig": {
                "defaults": {
                    "noValue": empty,
                    "mappings": [],
                    "thresholds": style::steps(style::NEUTRAL),
                    "color": style::by_steps(),
                },
                "overrides": [],
            },
            "options": {},
        });
        Panel {
            json,
            key: key.to_owned(),
            filters: self.filters,
            instant,
        }
    }

    /// Where another board lies, with time and the variables that both boards have. `more` sets
    /// one of them by itself.
    pub(crate) fn to_board(self, board: &str, more: &str) -> String {
        let there = boards::ALL.iter().find(|plan| plan.name == board);
        let there = there.unwrap_or_else(|| panic!("no board {board}"));
        let shared = self
            .filters
            .iter()
            .filter(|name| there.filters.contains(name) && !more.contains(&format!("var-{name}=")));
        let shared: Vec<String> = shared
            .map(|name| format!("&${{{name}:queryparam}}"))
            .collect();
        let shared = shared.concat();
        format!(
            "/d/cpa-{board}{}/?${{datasource:queryparam}}&${{job:queryparam}}\
             &${{instance:queryparam}}{shared}{more}&${{__url_time_range}}",
            self.t.lang.uid_suffix()
        )
    }

    pub(crate) fn account_links(self) -> Value {
        let one = "&var-account=${__value.raw}";
        json!([
            {"title": self.t.word("to_account"), "url": self.to_board("accounts", one)},
            {"title": self.t.word("to_quota"), "url": self.to_board("quota", one)},
            {"title": self.t.word("to_traffic"), "url": self.to_board("traffic", one)},
        ])
    }
}

pub(crate) fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Panel {
    pub(crate) fn at(mut self, x: u32, y: u32, w: u32, h: u32) -> Self {
        self.json["gridPos"] = json!({"x": x, "y": y, "w": w, "h": h});
        self
    }

    /// The unit of the first family becomes the panel's, unless one is set.
    pub(crate) fn query(self, legend: &str, template: &str) -> Self {
        let format = self.json["type"] == "heatmap";
        self.query_as(legend, template, format.then_some("heatmap"))
    }

    pub(crate) fn query_as(mut self, legend: &str, template: &str, format: Option<&str>) -> Self {
        if self.json["fieldConfig"]["defaults"]["unit"].is_null() {
            let family = first_family(template);
            let family = family_of(family).unwrap_or_else(|| panic!("no family {family}"));
            self = self.unit(unit_of(family));
        }
        let targets = self.json["targets"].as_array_mut().expect("targets");
        let id = char::from(b'A' + u8::try_from(targets.len()).expect("few queries"));
        let mut target = json!({
            "refId": id,
            "datasource": datasource(),
            "expr": expand(template, self.filters),
            "legendFormat": legend,
            "editorMode": "code",
            "instant": self.instant,
            "range": !self.instant,
        });
        if let Some(format) = format {
            target["format"] = json!(format);
        }
        targets.push(target);
        self
    }

    /// From where the values are, and not from zero.
    pub(crate) fn floating(mut self) -> Self {
        let defaults = self.json["fieldConfig"]["defaults"].as_object_mut();
        defaults.expect("defaults").remove("min");
        self
    }

    pub(crate) fn default(mut self, name: &str, value: Value) -> Self {
        self.json["fieldConfig"]["defaults"][name] = value;
        self
    }

    pub(crate) fn custom(mut self, name: &str, value: Value) -> Self {
        self.json["fieldConfig"]["defaults"]["custom"][name] = value;
        self
    }

    pub(crate) fn option(mut self, name: &str, value: Value) -> Self {
        self.json["options"][name] = value;
        self
    }

    pub(crate) fn field(mut self, name: &str, value: Value) -> Self {
        self.json[name] = value;
        self
    }

    pub(crate) fn unit(self, unit: &str) -> Self {
        self.default("unit", json!(unit))
    }

    pub(crate) fn decimals(self, decimals: u8) -> Self {
        self.default("decimals", json!(decimals))
    }

    pub(crate) fn color(self, color: &str) -> Self {
        self.default("color", style::fixed(color))
    }

    pub(crate) fn steps(self, steps: &[Step]) -> Self {
        self.default("thresholds", style::steps(steps))
    }

    pub(crate) fn bounds(self, min: f64, max: f64) -> Self {
        self.default("min", json!(min)).default("max", json!(max))
    }

    pub(crate) fn mappings(self, mappings: &[Value]) -> Self {
        self.default("mappings", json!(mappings))
    }

    /// Resolution: at most so many points, none shorter than `interval`.
    pub(crate) fn slices(self, interval: &str, points: u32) -> Self {
        self.field("interval", json!(interval))
            .field("maxDataPoints", json!(points))
    }

    pub(crate) fn link(self, title: &str, url: &str) -> Self {
        self.default("links", json!([{"title": title, "url": url}]))
    }

    /// Properties of one series or column, by the name that is shown.
    pub(crate) fn of(mut self, name: &str, properties: &[(&str, Value)]) -> Self {
        let properties: Vec<Value> = properties
            .iter()
            .map(|(id, value)| json!({"id": id, "value": value}))
            .collect();
        let matcher = json!({"id": "byName", "options": name});
        self.json["fieldConfig"]["overrides"]
            .as_array_mut()
            .expect("overrides")
            .push(json!({"matcher": matcher, "properties": properties}));
        self
    }

    /// A further figure in a tile, with a unit of its own and a colour that does not judge.
    pub(crate) fn aside(self, name: &str, unit: &str, decimals: u8, color: &str) -> Self {
        self.of(
            name,
            &[
                ("unit", json!(unit)),
                ("decimals", json!(decimals)),
                ("color", style::fixed(color)),
            ],
        )
    }

    /// The same for a query whose names are not known before.
    pub(crate) fn of_query(mut self, letter: &str, properties: &[(&str, Value)]) -> Self {
        self = self.of(letter, properties);
        let overrides = self.json["fieldConfig"]["overrides"].as_array_mut();
        let last = overrides.and_then(|all| all.last_mut());
        last.expect("an override")["matcher"]["id"] = json!("byFrameRefID");
        self
    }

    pub(crate) fn colors(mut self, colors: &[(&str, &str)]) -> Self {
        for (name, color) in colors {
            self = self.of(name, &[("color", style::fixed(color))]);
        }
        self
    }
}
