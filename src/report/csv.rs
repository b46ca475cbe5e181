//! Comma-separated values as RFC 4180 has them.

/// Ends a row.
const END: &str = "\r\n";

#[derive(Debug)]
pub(super) struct Csv(String);

impl Csv {
    pub(super) fn with_head(names: &[&str]) -> Self {
        Self(names.join(",") + END)
    }

    pub(super) fn row(&mut self, fields: &[String]) {
        self.0.push_str(&row(fields));
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// One row with its end.
pub(super) fn row(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + END
}

/// Text from outside, which a spreadsheet shall not take for a formula.
pub(super) fn formula_free(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_needed() {
        let mut csv = Csv::with_head(&["a", "b"]);
        csv.row(&["plain".to_owned(), "with, comma".to_owned()]);
        csv.row(&["a \"word\"".to_owned(), "two\nlines".to_owned()]);
        let expected = "a,b\r\nplain,\"with, comma\"\r\n\"a \"\"word\"\"\",\"two\nlines\"\r\n";
        assert_eq!(csv.into_text(), expected);
    }
}
