//! A key of the configuration.

/// A configuration key.
#[derive(Debug)]
pub struct Key {
    /// Path in the file, `section.key`.
    pub path: &'static str,
    pub kind: Kind,
    /// Kind of the value, for `--help`.
    pub value_name: &'static str,
    /// As the user would write it; `None` when the default is not one text.
    pub default: Option<&'static str>,
    /// Smallest and largest value, as the user would write them.
    pub bounds: Option<(&'static str, &'static str)>,
    /// The documentation of the field.
    pub(super) help: &'static str,
    /// Heading in `--help`.
    pub heading: &'static str,
}

/// How a key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    /// Its flag alone means true.
    Switch,
    /// A table with user-defined keys.
    Table,
    /// Must not be on a command line.
    Secret,
}

impl Key {
    /// Long flag without dashes; `None` for a value that must not be on a command line.
    pub fn flag(&self) -> Option<String> {
        (self.kind != Kind::Secret).then(|| self.path.replace('_', "-"))
    }

    /// `cpa.poll_interval` is `CPA_EXPORTER_CPA_POLL_INTERVAL`.
    pub fn env(&self) -> String {
        let path = self.path.replace('.', "_").to_ascii_uppercase();
        format!("{ENV_PREFIX}{path}")
    }

    pub fn help(&self) -> &'static str {
        self.help.trim()
    }
}

pub(crate) const ENV_PREFIX: &str = "CPA_EXPORTER_";
