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
        let fields: Vec<String> = fields.iter().map(|field| quoted(field)).collect();
        self.0.push_str(&fields.join(","));
        self.0.push_str(END);
    }

    pub(super) fn into_text(self) -> String {
        self.0
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
