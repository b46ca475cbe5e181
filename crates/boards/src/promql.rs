//! Queries as trees: what is selected where, and what a result is labelled with.

use promql_parser::parser::{self, Expr, VectorSelector};

/// Stands for `$__rate_interval` while a query is parsed, and for nothing else.
pub(crate) const RATE_INTERVAL: &str = "11277964s";

/// Grafana's own variables as durations that `PromQL` accepts; those of the board stand inside of
/// strings and may stay.
pub(crate) fn parse(expr: &str) -> Result<Expr, String> {
    let plain = expr
        .replace("$__rate_interval", RATE_INTERVAL)
        .replace("$__interval", "300s")
        .replace("$__range_s", "86400")
        .replace("$__range", "86400s");
    parser::parse(&plain).map_err(|e| format!("{e}: {expr}"))
}

/// A selector and the functions and aggregations around it, the nearest last.
#[derive(Debug)]
pub(crate) struct Selected {
    pub(crate) name: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
    /// Functions around it, the nearest last; `other` for what is no function.
    pub(crate) around: Vec<String>,
    /// Seconds, of a range.
    pub(crate) range: Option<u64>,
}

impl Selected {
    fn new(selector: &VectorSelector, range: Option<u64>, around: &[String]) -> Self {
        let own = selector.matchers.matchers.iter();
        let matchers = own.map(|m| {
            let operator = m.op.to_string();
            (m.name.clone(), operator, m.value.clone())
        });
        Self {
            name: selector.name.clone().unwrap_or_default(),
            matchers: matchers.collect(),
            around: around.to_vec(),
            range,
        }
    }

    pub(crate) fn nearest(&self) -> &str {
        self.around.last().map_or("", String::as_str)
    }
}

pub(crate) fn selected(expr: &Expr) -> Vec<Selected> {
    let mut all = Vec::new();
    walk(expr, &mut Vec::new(), &mut |expr, around| {
        if let Expr::VectorSelector(selector) = expr {
            all.push(Selected::new(selector, None, around));
        } else if let Expr::MatrixSelector(matrix) = expr {
            let range = matrix.range.as_secs();
            all.push(Selected::new(&matrix.vs, Some(range), around));
        }
    });
    all
}

/// Labels that the query itself names: in `by`, `without`, `on`, `ignoring` and `group_left`.
pub(crate) fn named_labels(expr: &Expr) -> Vec<String> {
    let mut all = Vec::new();
    walk(expr, &mut Vec::new(), &mut |expr, _| {
        if let Expr::Aggregate(aggregate) = expr {
            let labels = aggregate.modifier.iter();
            all.extend(labels.flat_map(|m| m.labels().labels.clone()));
        } else if let Expr::Binary(binary) = expr
            && let Some(modifier) = &binary.modifier
        {
            let matching = modifier.matching.iter();
            all.extend(matching.flat_map(|m| m.labels().labels.clone()));
            let group = modifier.card.labels().into_iter();
            all.extend(group.flat_map(|l| l.labels.clone()));
        }
    });
    all
}

/// Labels that the query makes: `label_replace` and `count_values`.
pub(crate) fn made_labels(expr: &Expr) -> Vec<String> {
    let mut all = Vec::new();
    walk(expr, &mut Vec::new(), &mut |expr, _| {
        let made = if let Expr::Call(call) = expr {
            let arguments = call
                .args
                .args
                .get(1)
                .filter(|_| call.func.name == "label_replace");
            arguments.map(|label| &**label)
        } else if let Expr::Aggregate(aggregate) = expr {
            aggregate.param.as_deref()
        } else {
            None
        };
        if let Some(Expr::StringLiteral(label)) = made {
            all.push(label.val.clone());
        }
    });
    all
}

/// How many parts of a query are what `part` says, without one on the right of an `and` around
/// them that is what `guard` says. A part named “?” needs none: it says that nothing is known.
pub(crate) fn unguarded(
    expr: &Expr,
    part: &impl Fn(&Expr) -> bool,
    guard: &impl Fn(&VectorSelector) -> bool,
) -> usize {
    if let Expr::Binary(binary) = expr
        && binary.op.to_string() == "and"
        && selects(&binary.rhs, guard)
    {
        return unguarded(&binary.rhs, part, guard);
    }
    let named_unknown = children(expr)
        .iter()
        .any(|child| matches!(child, Expr::StringLiteral(text) if text.val == "?"));
    if named_unknown {
        return 0;
    }
    let inside = children(expr).into_iter();
    usize::from(part(expr)) + inside.map(|e| unguarded(e, part, guard)).sum::<usize>()
}

fn selects(expr: &Expr, which: &impl Fn(&VectorSelector) -> bool) -> bool {
    selector(expr).is_some_and(which)
        || children(expr)
            .into_iter()
            .any(|child| selects(child, which))
}

/// The selector that a part of a query is by itself, with or without a range.
pub(crate) fn selector(expr: &Expr) -> Option<&VectorSelector> {
    if let Expr::MatrixSelector(matrix) = expr {
        return Some(&matrix.vs);
    }
    let Expr::VectorSelector(selector) = expr else {
        return None;
    };
    Some(selector)
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.as_deref();
            param.into_iter().chain([&*aggregate.expr]).collect()
        }
        Expr::Unary(unary) => vec![&unary.expr],
        Expr::Binary(binary) => vec![&binary.lhs, &binary.rhs],
        Expr::Paren(paren) => vec![&paren.expr],
        Expr::Subquery(subquery) => vec![&subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|arg| &**arg).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => vec![],
    }
}

fn walk(expr: &Expr, around: &mut Vec<String>, seen: &mut impl FnMut(&Expr, &[String])) {
    seen(expr, around);
    let name = if let Expr::Call(call) = expr {
        call.func.name.to_owned()
    } else {
        "other".to_owned()
    };
    around.push(name);
    for child in children(expr) {
        walk(child, around, seen);
    }
    around.pop();
}
