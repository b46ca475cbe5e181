//! A board: its plan, and the plan carried out in one language.

use serde_json::{Value, json};

use crate::panel::{Kit, Panel, datasource};
use crate::query::{Filters, expand, of_exporters};
use crate::text::{Lang, Texts};

/// What is written down once per board; see `boards`.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) texts: &'static str,
    /// Variables after job and instance, each with the family whose label values it offers.
    pub(crate) variables: &'static [(&'static str, &'static str)],
    /// The same names again, as the filters of every selector.
    pub(crate) filters: Filters,
    pub(crate) from: &'static str,
    pub(crate) sections: fn(&Kit<'_>) -> Vec<Section>,
    pub(crate) annotations: &'static [Annotation],
    /// Panels that show nothing on a good day, each with the reason; a query may be narrowed down
    /// by its letter.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the checks read it"))]
    pub(crate) may_be_empty: &'static [(&'static str, &'static str)],
}

/// Marks over all graphs of a board: lines, or regions where the query is above 0 for a while.
#[derive(Debug)]
pub(crate) struct Annotation {
    pub(crate) word: &'static str,
    pub(crate) query: &'static str,
    /// The query selects what every scraped program has; only exporters are meant.
    pub(crate) of_exporters: bool,
    pub(crate) text: &'static str,
    pub(crate) color: &'static str,
}

pub(crate) const RESTARTS: Annotation = Annotation {
    word: "restarts",
    query: "changes(@process_start_time_seconds[2m])",
    of_exporters: true,
    text: "{{instance}}",
    color: "purple",
};

/// On every board: each graph shades the hole by itself.
const UNREACHABLE: Annotation = Annotation {
    word: "unreachable",
    query: "1 - min_over_time(@up[2m])",
    of_exporters: true,
    text: "{{instance}}",
    color: "red",
};

/// Panels that belong together. Only the first section of a board is open at load.
#[derive(Debug)]
pub(crate) struct Section {
    /// Word of the row's title; the open section has none.
    pub(crate) row: Option<&'static str>,
    pub(crate) panels: Vec<Panel>,
}

pub(crate) fn open(panels: Vec<Panel>) -> Section {
    Section { row: None, panels }
}

pub(crate) fn closed(row: &'static str, panels: Vec<Panel>) -> Section {
    Section {
        row: Some(row),
        panels,
    }
}

/// The finished board, with what the checks need beside the JSON.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) plan: &'static Plan,
    pub(crate) lang: Lang,
    pub(crate) title: String,
    pub(crate) question: String,
    pub(crate) json: Value,
    #[cfg_attr(not(test), expect(dead_code, reason = "only the checks read it"))]
    pub(crate) keys: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "only the checks read it"))]
    pub(crate) unused_texts: Vec<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "only the checks read it"))]
    pub(crate) used_texts: Vec<String>,
}

pub(crate) fn build(plan: &'static Plan, lang: Lang) -> Board {
    let texts = Texts::new(lang, plan.texts);
    let kit = Kit {
        t: &texts,
        filters: plan.filters,
    };
    let (panels, keys) = place((plan.sections)(&kit), &texts);
    let json = json!({
        "uid": format!("cpa-{}{}", plan.name, lang.uid_suffix()),
        "title": format!("CPA / {}", texts.title()),
        "description": texts.question(),
        // The second tag keeps the links between boards within one language.
        "tags": tags(lang),
        "schemaVersion": 39,
        "editable": false,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": plan.from, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "weekStart": "",
        "templating": {"list": variables(plan, &texts)},
        "annotations": {"list": annotations(plan, &texts)},
        "links": [{
            "type": "dashboards", "tags": tags(lang), "asDropdown": true, "includeVars": true,
            "keepTime": true, "targetBlank": false, "icon": "dashboard",
            "title": texts.word("boards"), "tooltip": "", "url": "",
        }],
        "panels": panels,
    });
    Board {
        plan,
        lang,
        title: texts.title().to_owned(),
        question: texts.question().to_owned(),
        json,
        keys,
        unused_texts: texts.unused(),
        used_texts: texts.used(),
    }
}

fn tags(lang: Lang) -> Value {
    json!(["cpa", format!("cpa-{}", lang.code())])
}

/// Gives each panel its number and its place below the sections before. Closed rows keep their
/// panels inside.
fn place(sections: Vec<Section>, texts: &Texts) -> (Vec<Value>, Vec<String>) {
    let mut placed = Vec::new();
    let mut keys = Vec::new();
    let mut top = 0;
    let mut id = 0;
    for section in sections {
        let mut inside = Vec::new();
        let row = section.row.map(|word| {
            id += 1;
            top += 1;
            json!({
                "id": id, "type": "row", "title": texts.word(word), "collapsed": true,
                "gridPos": {"x": 0, "y": top - 1, "w": 24, "h": 1},
            })
        });
        let mut bottom = top;
        for panel in section.panels {
            let mut json = panel.json;
            id += 1;
            json["id"] = json!(id);
            let y = json["gridPos"]["y"].as_u64().expect("a place") + top;
            json["gridPos"]["y"] = json!(y);
            bottom = bottom.max(y + json["gridPos"]["h"].as_u64().expect("a height"));
            keys.push(panel.key);
            inside.push(json);
        }
        // A closed row takes one line, however much is in it.
        if let Some(mut row) = row {
            row["panels"] = json!(inside);
            placed.push(row);
        } else {
            placed.append(&mut inside);
            top = bottom;
        }
    }
    (placed, keys)
}

fn variables(plan: &Plan, texts: &Texts) -> Vec<Value> {
    let mut all = vec![json!({
        "name": "datasource", "label": "Data source", "type": "datasource",
        "query": "prometheus", "refresh": 1, "hide": 0, "includeAll": false, "multi": false,
        "options": [], "regex": "",
    })];
    let build_info = "cpa_exporter_build_info";
    // Named in English everywhere: these are Prometheus' own words, and the linter wants them.
    all.push(variable(
        "job",
        "Job",
        &format!("label_values({build_info}, job)"),
    ));
    let instances = format!("label_values({build_info}{{job=~\"$job\"}}, instance)");
    all.push(variable("instance", "Instance", &instances));
    for (place, (name, family)) in plan.variables.iter().enumerate() {
        let earlier: Filters = &plan.filters[..place];
        let selector = expand(&format!("@{family}"), earlier);
        let query = format!("label_values({selector}, {name})");
        all.push(variable(name, texts.word(name), &query));
    }
    all
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(),
        "query": {"query": query, "refId": format!("v_{name}")}, "definition": query,
        "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".+",
        "hide": 0, "options": [], "regex": "",
        "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
    })
}

fn annotations(plan: &Plan, texts: &Texts) -> Vec<Value> {
    let own = json!({
        "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": true,
        "hide": true, "iconColor": "blue", "name": "Annotations & Alerts", "type": "dashboard",
    });
    let shown = std::iter::once(&UNREACHABLE).chain(plan.annotations);
    // Always on; their switches would take a line of the toolbar, on a phone two.
    let ours = shown.map(|annotation| {
        let query = if annotation.of_exporters {
            of_exporters(annotation.query)
        } else {
            annotation.query.to_owned()
        };
        json!({
            "name": texts.word(annotation.word), "datasource": datasource(), "enable": true,
            "hide": true, "iconColor": annotation.color, "type": "dashboard",
            "expr": expand(&query, plan.filters), "step": "120s",
            "titleFormat": texts.word(annotation.word), "textFormat": annotation.text,
            "useValueForTime": false,
        })
    });
    std::iter::once(own).chain(ours).collect()
}
