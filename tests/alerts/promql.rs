//! Metrics and labels in a `PromQL` expression. Not a parser: promtool has parsed it before.

use std::collections::BTreeSet;

/// The names in an expression.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) metrics: BTreeSet<String>,
    pub(crate) labels: BTreeSet<String>,
    /// Metric, label and matcher text, `reason!~"client"` as `("…", "reason", "client")`.
    pub(crate) values: Vec<(String, String, String)>,
}

/// Keywords with a list of labels.
const LABEL_LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(char),
}

fn tokens(expr: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = expr.chars().peekable();
    while let Some(&first) = chars.peek() {
        if first.is_ascii_alphabetic() || first == '_' {
            let mut word = String::new();
            while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || "_:".contains(*c)) {
                word.push(c);
            }
            tokens.push(Token::Word(word));
        } else if first.is_ascii_digit() {
            // Numbers and durations.
            while chars
                .next_if(|c| c.is_ascii_alphanumeric() || *c == '.')
                .is_some()
            {}
        } else if first == '"' {
            chars.next();
            let mut text = String::new();
            while let Some(c) = chars.next_if(|c| *c != '"') {
                text.push(c);
            }
            chars.next();
            tokens.push(Token::Text(text));
        } else {
            chars.next();
            if !first.is_whitespace() {
                tokens.push(Token::Sign(first));
            }
        }
    }
    tokens
}

pub(crate) fn names(expr: &str) -> Names {
    let mut names = Names::default();
    let mut metric = String::new();
    let mut tokens = tokens(expr).into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            Token::Word(word) if LABEL_LISTS.contains(&word.as_str()) => {
                if tokens.next_if_eq(&Token::Sign('(')).is_some() {
                    while let Some(token) = tokens.next_if(|t| *t != Token::Sign(')')) {
                        if let Token::Word(label) = token {
                            names.labels.insert(label);
                        }
                    }
                }
            }
            Token::Word(word) => {
                let next = tokens.peek();
                let function = next == Some(&Token::Sign('('))
                    || next == Some(&Token::Word("by".to_owned()))
                    || next == Some(&Token::Word("without".to_owned()));
                if !function && !OPERATORS.contains(&word.as_str()) {
                    names.metrics.insert(word.clone());
                    metric = word;
                }
            }
            Token::Sign('{') => matchers(&metric, &mut tokens, &mut names),
            Token::Text(_) | Token::Sign(_) => {}
        }
    }
    names
}

fn matchers(metric: &str, tokens: &mut impl Iterator<Item = Token>, names: &mut Names) {
    let mut label = String::new();
    for token in tokens.by_ref() {
        match token {
            Token::Word(word) => {
                names.labels.insert(word.clone());
                label = word;
            }
            Token::Text(text) => names.values.push((metric.to_owned(), label.clone(), text)),
            Token::Sign('}') => return,
            Token::Sign(_) => {}
        }
    }
}

#[test]
fn names_are_found() {
    let found = names(
        "sum without (a, b) (rate(x_total{c!~\"u|v\"}[5m])) / on (d) group_left () y:z > bool 1e3 \
         unless count by (e) (w) offset 5m",
    );
    let set = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    assert_eq!(found.metrics, set(&["x_total", "y:z", "w"]));
    assert_eq!(found.labels, set(&["a", "b", "c", "d", "e"]));
    let value = ("x_total".to_owned(), "c".to_owned(), "u|v".to_owned());
    assert_eq!(found.values, [value]);
}
