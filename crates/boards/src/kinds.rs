//! The kinds of panels the boards are made of, with the settings that were found by looking.

use serde_json::{Value, json};

use crate::panel::{Kit, Panel};
use crate::query::{bars_of_most, bars_of_others, most};
use crate::style;

/// A legend that takes as little room as it can.
pub(crate) fn names_only() -> Value {
    json!({"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []})
}

impl Kit<'_> {
    /// A tile: one to three figures. No answer at all is “unknown”; what -1 of `query::or_none`
    /// means stands as `empty` in the texts of the panel.
    pub(crate) fn stat(&self, key: &str) -> Panel {
        let mut mappings = vec![style::not_a_number(self.t.word("dash"))];
        if let Some(empty) = self.t.panel_empty(key) {
            mappings.push(style::values(&[("-1", empty, "text")]));
        }
        self.panel("stat", key, true)
            .default("noValue", json!(self.t.word("unknown")))
            .mappings(&mappings)
            .field(
                "options",
                json!({
                    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                    "orientation": "vertical",
                    "textMode": "value_and_name",
                    "colorMode": "value",
                    "graphMode": "none",
                    "justifyMode": "center",
                    "wideLayout": false,
                    "showPercentChange": false,
                }),
            )
    }

    fn panel_over_time(&self, kind: &str, key: &str) -> Panel {
        self.panel(kind, key, false)
    }

    /// Stacked bars of growth.
    pub(crate) fn bars(&self, key: &str) -> Panel {
        let panel = self.graph(key, "bars", 3_600_000);
        panel
            .custom("showPoints", json!("never"))
            .custom("lineWidth", json!(0))
            .custom("fillOpacity", json!(85))
            .custom("barAlignment", json!(1))
            .custom("stacking", json!({"mode": "normal", "group": "A"}))
            .option("legend", names_only())
            .decimals(0)
            .slices("5m", 48)
    }

    /// Stacked bars of growth per value of a label that can have any number of them.
    pub(crate) fn bars_by(&self, key: &str, label: &str, counter: &str) -> Panel {
        self.bars(key)
            .query(&format!("{{{{{label}}}}}"), &bars_of_most(label, counter))
            .query(self.t.word("others"), &bars_of_others(label, counter))
            .of(
                self.t.word("others"),
                &[("color", style::fixed(style::GREY))],
            )
    }

    /// Lines. `bridge`: how long a hole may be to be drawn over, never an outage.
    pub(crate) fn lines(&self, key: &str, bridge: &str) -> Panel {
        let milliseconds = match bridge {
            "10m" => 600_000,
            "30m" => 1_800_000,
            "1h" => 3_600_000,
            "3h" => 10_800_000,
            _ => panic!("no such bridge"),
        };
        self.graph(key, "line", milliseconds).option(
            "legend",
            json!({"displayMode": "table", "placement": "bottom", "showLegend": true,
                   "calcs": ["lastNotNull", "max"], "sortBy": "Last *", "sortDesc": true}),
        )
    }

    /// Lines per value of a label that can have any number of them: of those with the most growth
    /// of `counter`. The figures are in the tooltip.
    pub(crate) fn lines_by(&self, key: &str, label: &str, expr: &str, counter: &str) -> Panel {
        let expr = format!("{expr} and on ({label}) {}", most(label, counter));
        self.lines(key, "3h")
            .query(&format!("{{{{{label}}}}}"), &expr)
            .option("legend", names_only())
            .slices("15m", 48)
    }

    fn graph(&self, key: &str, style: &str, span: u32) -> Panel {
        let custom = json!({
            "drawStyle": style, "lineInterpolation": "linear", "lineWidth": 2, "fillOpacity": 0,
            "gradientMode": "none", "showPoints": "auto", "pointSize": 4, "spanNulls": span,
            "stacking": {"mode": "none", "group": "A"}, "axisPlacement": "auto", "axisLabel": "",
            "barAlignment": 0, "barWidthFactor": 0.85, "thresholdsStyle": {"mode": "off"},
            "axisBorderShow": false, "axisGridShow": true,
        });
        self.panel_over_time("timeseries", key)
            .default("custom", custom)
            .default("color", json!({"mode": "palette-classic"}))
            .default("min", json!(0))
            .option(
                "tooltip",
                json!({"mode": "multi", "sort": "desc", "hideZeros": true}),
            )
    }

    /// Shares of a quota over time, with the two thresholds as dashed lines.
    pub(crate) fn quota_lines(&self, key: &str) -> Panel {
        self.lines(key, "30m")
            .custom("lineInterpolation", json!("stepAfter"))
            .custom("thresholdsStyle", json!({"mode": "dashed"}))
            .steps(style::QUOTA_LINES)
            .bounds(0.0, 1.0)
    }

    /// Columns of time, cells of a value range; brighter is more.
    pub(crate) fn heatmap(&self, key: &str, scheme: &str) -> Panel {
        let options = json!({
            "calculate": false,
            "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": false},
            "rowsFrame": {"layout": "auto"},
            "color": {"mode": "scheme", "scheme": scheme, "steps": 64, "exponent": 0.5,
                      "fill": "dark-orange", "scale": "exponential", "reverse": false},
            "cellGap": 1,
            "filterValues": {"le": 1e-9},
            "tooltip": {"mode": "single", "yHistogram": false, "showColorScale": false},
            "legend": {"show": false},
            "exemplars": {"color": "purple"},
            "showValue": "never",
        });
        self.panel_over_time("heatmap", key)
            .default(
                "custom",
                json!({"hideFrom": {"legend": false, "tooltip": false, "viz": false},
                       "scaleDistribution": {"type": "linear"}}),
            )
            .field("options", options)
            .slices("5m", 72)
    }

    /// States as coloured stretches. The colour mode must not be by thresholds when the colours
    /// come from mappings: Grafana then draws one grey bar.
    pub(crate) fn timeline(&self, key: &str) -> Panel {
        let options = json!({
            "mergeValues": true, "showValue": "never", "alignValue": "center", "rowHeight": 0.75,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "single", "sort": "none"},
        });
        self.panel_over_time("state-timeline", key)
            .default("color", json!({"mode": "palette-classic"}))
            .default("custom", json!({"lineWidth": 0, "fillOpacity": 75}))
            .field("options", options)
            .field("maxDataPoints", json!(300))
    }

    /// Slices of time as coloured cells.
    pub(crate) fn history(&self, key: &str) -> Panel {
        let options = json!({
            "showValue": "never", "rowHeight": 0.8, "colWidth": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "single", "sort": "none"},
        });
        self.panel_over_time("status-history", key)
            .default("custom", json!({"lineWidth": 0, "fillOpacity": 75}))
            .field("options", options)
            .slices("15m", 48)
    }

    /// Bars lying down, each with its name above it.
    pub(crate) fn bar_gauge(&self, key: &str) -> Panel {
        let options = json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "orientation": "horizontal", "displayMode": "basic", "valueMode": "color",
            "namePlacement": "top", "showUnfilled": true, "sizing": "manual",
            "minVizHeight": 42, "minVizWidth": 8, "maxVizHeight": 46,
            "text": {"titleSize": 13, "valueSize": 16},
        });
        self.panel("bargauge", key, true)
            .mappings(&[style::nothing(self.t.word("dash"), "text")])
            .field("options", options)
            .default("min", json!(0))
            .decimals(0)
            .color("blue")
    }
}
