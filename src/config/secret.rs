//! A secret value or the file that contains it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use super::input;
use crate::model::is_invisible;
use crate::platform;

/// Maximum length of a secret file; a longer one is a wrong file.
const MAX_LEN: u64 = 4096;

/// A secret, or the file that contains it.
///
/// Each [`Secret::read`] reads the file again, so that a rotated key takes effect.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    /// Nothing needs it.
    Absent,
    Value(SecretString),
    File(PathBuf),
}

/// Why a secret is invalid. Never contains it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("no management key is configured, because cpa.enabled is false")]
    Absent,
    #[error("the secret is empty")]
    Empty,
    #[error("the secret contains a line break or another control character")]
    Control,
    #[error(
        "the secret is a bcrypt hash, as CPA writes it into its configuration; use the key from \
         which CPA made the hash"
    )]
    Hash,
    #[error("the secret is longer than {MAX_LEN} bytes")]
    TooLong,
    #[error("the secret file is not valid UTF-8; save it as UTF-8 or plain ASCII")]
    Encoding,
    #[error("cannot read the secret file")]
    Io(#[source] io::Error),
}

impl Secret {
    pub fn from_value(value: impl AsRef<str>) -> Result<Self, SecretError> {
        Ok(Self(Source::Value(checked(value.as_ref())?)))
    }

    pub(super) const fn absent() -> Self {
        Self(Source::Absent)
    }

    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    pub fn read(&self) -> Result<SecretString, SecretError> {
        match &self.0 {
            Source::Absent => Err(SecretError::Absent),
            Source::Value(value) => Ok(value.clone()),
            Source::File(path) => read_file(path),
        }
    }

    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Source::File(path) => Some(path),
            Source::Value(_) | Source::Absent => None,
        }
    }

    /// Advice for a denied access to the file; empty for other errors.
    pub(crate) fn access_remedy(&self, error: &SecretError) -> String {
        match (&self.0, error) {
            (Source::File(path), SecretError::Io(error)) => platform::access_remedy(path, error),
            _ => String::new(),
        }
    }

    /// Whether every user of this machine may read the file.
    pub fn is_world_readable(&self) -> bool {
        self.file()
            .and_then(|path| path.metadata().ok())
            .is_some_and(|metadata| platform::is_world_readable(&metadata))
    }
}

fn read_file(path: &Path) -> Result<SecretString, SecretError> {
    let bytes = input::read(path, MAX_LEN).map_err(|error| {
        if error.kind() == io::ErrorKind::FileTooLarge {
            SecretError::TooLong
        } else {
            SecretError::Io(error)
        }
    })?;
    let text = String::from_utf8(bytes).map_err(|_shows_bytes| SecretError::Encoding)?;
    checked(&text)
}

/// Removes what surrounds a secret but is not part of it: blanks, line breaks and invisible
/// characters (a byte order mark, a zero-width space) of editors, shells and web pages; the quotes of
/// YAML and env files; `Bearer` of an HTTP header. A wrong key costs a failed login.
fn checked(text: &str) -> Result<SecretString, SecretError> {
    let text = bare(text);
    if text.is_empty() {
        return Err(SecretError::Empty);
    }
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_LEN) {
        return Err(SecretError::TooLong);
    }
    // The secret is sent in an HTTP header and in a RESP command.
    if text.chars().any(char::is_control) {
        return Err(SecretError::Control);
    }
    if is_bcrypt(text) {
        return Err(SecretError::Hash);
    }
    Ok(text.into())
}

fn bare(text: &str) -> &str {
    const QUOTES: [(char, char); 5] =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('‘', '’')];
    const SCHEME: &str = "bearer ";
    let is_around = |c: char| c.is_whitespace() || (is_invisible(c) && !c.is_control());
    let mut text = text.trim_matches(is_around);
    loop {
        let quoted = QUOTES
            .into_iter()
            .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close));
        let scheme = || {
            let start = text.get(..SCHEME.len())?;
            let is_scheme = start.eq_ignore_ascii_case(SCHEME);
            text.get(SCHEME.len()..).filter(|_| is_scheme)
        };
        match quoted.or_else(scheme) {
            Some(inner) => text = inner.trim_matches(is_around),
            None => return text,
        }
    }
}

/// `$2a$10$` and 53 characters.
fn is_bcrypt(text: &str) -> bool {
    let versions = ["$2a$", "$2b$", "$2x$", "$2y$"];
    text.len() == 60 && versions.iter().any(|version| text.starts_with(version))
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Value(a), Source::Value(b)) => a.expose_secret() == b.expose_secret(),
            (Source::File(a), Source::File(b)) => a == b,
            (Source::Absent, Source::Absent) => true,
            (Source::Value(_) | Source::File(_) | Source::Absent, _) => false,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Absent => f.write_str("Secret(absent)"),
            Source::Value(_) => f.write_str("Secret(value)"),
            Source::File(path) => write!(f, "Secret(file {})", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(content: &[u8]) -> (tempfile::TempDir, Secret) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(&path, content).unwrap();
        (dir, Secret::from_file(path))
    }

    #[test]
    fn blanks_and_a_byte_order_mark_around_a_secret_are_stripped() {
        for content in [
            "hunter2",
            "hunter2\n",
            "hunter2\r\n",
            "hunter2\n\n",
            " hunter2\t",
            "\u{feff}hunter2\r\n",
            "\u{feff} hunter2\u{a0}",
            "\u{200b}hunter2\u{2060}\u{200b}\n",
        ] {
            let (_dir, secret) = file(content.as_bytes());
            assert_eq!(secret.read().unwrap().expose_secret(), "hunter2");
            let value = Secret::from_value(content).unwrap();
            assert_eq!(value.read().unwrap().expose_secret(), "hunter2");
        }
        let (_dir, secret) = file(b"hunter\n2");
        assert!(matches!(secret.read(), Err(SecretError::Control)));
        let (_dir, secret) = file(b"two words");
        assert_eq!(secret.read().unwrap().expose_secret(), "two words");
        assert!(matches!(
            Secret::from_value("\u{feff} \n"),
            Err(SecretError::Empty)
        ));
    }

    #[test]
    fn quotes_and_the_scheme_of_a_header_are_removed_from_a_secret() {
        for content in [
            "\"hunter2\"",
            "'hunter2'\n",
            "“hunter2”",
            "Bearer hunter2",
            "bearer  hunter2\n",
            "\" hunter2 \"",
            "\"Bearer hunter2\"",
            "Bearer \"hunter2\"",
        ] {
            let value = Secret::from_value(content).unwrap();
            assert_eq!(value.read().unwrap().expose_secret(), "hunter2");
        }
        for content in ["a\"b", "\"a", "Bearer", "Bearerx", "a'", "\"a\"b"] {
            let value = Secret::from_value(content).unwrap();
            assert_eq!(value.read().unwrap().expose_secret(), content);
        }
        for empty in ["\"\"", "Bearer \"\""] {
            let error = Secret::from_value(empty).unwrap_err();
            assert!(matches!(error, SecretError::Empty), "{empty}");
        }
    }

    #[test]
    fn bcrypt_hash_is_refused_as_a_secret() {
        let hash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy";
        for content in [hash.to_owned(), format!("\"{hash}\"\n")] {
            let error = Secret::from_value(&content).unwrap_err();
            assert!(matches!(error, SecretError::Hash), "{error}");
            let (_dir, secret) = file(content.as_bytes());
            let error = secret.read().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("N9qo8"), "{error}");
        }
        let key = &hash[..59];
        assert!(Secret::from_value(key).is_ok());
    }

    #[test]
    fn a_rotated_file_is_read_again() {
        let (dir, secret) = file(b"first");
        assert_eq!(secret.read().unwrap().expose_secret(), "first");
        fs::write(dir.path().join("key"), "second\n").unwrap();
        assert_eq!(secret.read().unwrap().expose_secret(), "second");
    }

    #[test]
    fn invalid_secrets_are_refused() {
        let absent = Secret::from_file("/nonexistent/key");
        assert!(matches!(absent.read(), Err(SecretError::Io(_))));
        let (_dir, secret) = file(b"\n");
        assert!(matches!(secret.read(), Err(SecretError::Empty)));
        let (_dir, secret) = file(&[0xff, 0xfe]);
        assert!(matches!(secret.read(), Err(SecretError::Encoding)));
        let (_dir, secret) = file(&[b'a'; 5000]);
        assert!(matches!(secret.read(), Err(SecretError::TooLong)));
        assert!(matches!(
            Secret::from_value("a\nb"),
            Err(SecretError::Control)
        ));
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::from_value("hunter2").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(value)");
        let error = Secret::from_value("hunter2\u{7}").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
