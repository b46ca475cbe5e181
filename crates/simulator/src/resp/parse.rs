//! Parses RESP commands like CPA: arrays of bulk strings, simple strings and integers.
//!
//! An error is detected as soon as its bytes have arrived, as in CPA.

/// Result of parsing the buffered bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Command {
        args: Vec<String>,
        used: usize,
    },
    /// More bytes are needed. If none arrive, CPA reports the error only inside a bulk string.
    Incomplete {
        inside_bulk: bool,
    },
    ProtocolError,
}

/// Reason why an argument cannot be parsed.
#[derive(Debug)]
enum Stop {
    Incomplete { inside_bulk: bool },
    ProtocolError,
}

impl From<Stop> for Parsed {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Incomplete { inside_bulk } => Self::Incomplete { inside_bulk },
            Stop::ProtocolError => Self::ProtocolError,
        }
    }
}

const MORE: Stop = Stop::Incomplete { inside_bulk: false };

pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let mut cursor = Cursor { bytes, at: 0 };
    match cursor.command() {
        Ok(args) => Parsed::Command {
            args,
            used: cursor.at,
        },
        Err(stop) => stop.into(),
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn command(&mut self) -> Result<Vec<String>, Stop> {
        if self.byte()? != b'*' {
            return Err(Stop::ProtocolError);
        }
        let count = self.integer()?;
        let count = usize::try_from(count).map_err(|_negative| Stop::ProtocolError)?;
        // CPA trusts the count for its allocation; here it only bounds the loop.
        let mut args = Vec::with_capacity(count.min(16));
        for _ in 0..count {
            args.push(self.argument()?);
        }
        Ok(args)
    }

    fn argument(&mut self) -> Result<String, Stop> {
        match self.byte()? {
            b'$' => self.bulk(),
            b'+' | b':' => self.line(),
            _ => Err(Stop::ProtocolError),
        }
    }

    fn bulk(&mut self) -> Result<String, Stop> {
        let Ok(length) = usize::try_from(self.integer()?) else {
            // A null argument counts as an empty one.
            return Ok(String::new());
        };
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((body, rest)) = rest.split_at_checked(length) else {
            let inside_bulk = !rest.is_empty();
            return Err(Stop::Incomplete { inside_bulk });
        };
        match rest {
            [b'\r', b'\n', ..] => {
                self.at += length + 2;
                Ok(String::from_utf8_lossy(body).into_owned())
            }
            [] | [_] => Err(Stop::Incomplete {
                inside_bulk: length + rest.len() > 0,
            }),
            _ => Err(Stop::ProtocolError),
        }
    }

    fn integer(&mut self) -> Result<i64, Stop> {
        self.line()?
            .parse()
            .map_err(|_not_a_number| Stop::ProtocolError)
    }

    /// Up to the line feed, with or without a preceding carriage return.
    fn line(&mut self) -> Result<String, Stop> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(MORE);
        };
        let line = rest.get(..end).unwrap_or_default();
        self.at += end + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.bytes.get(self.at).copied().ok_or(MORE)?;
        self.at += 1;
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_several_forms() {
        let parsed = parse(b"*4\r\n$4\r\nLPOP\r\n+usage\r\n:5\r\n$-1\r\nrest");
        let args = ["LPOP", "usage", "5", ""].map(str::to_owned).to_vec();
        assert_eq!(parsed, Parsed::Command { args, used: 31 });
    }

    #[test]
    fn errors_are_detected_without_further_bytes() {
        assert_eq!(parse(b"$4\r\nPING\r\n"), Parsed::ProtocolError);
        assert_eq!(parse(b"*-1\r\n"), Parsed::ProtocolError);
        assert_eq!(parse(b"*2\r\n$x\r\n"), Parsed::ProtocolError);
        assert_eq!(parse(b"*1\r\n$2\r\nabcd"), Parsed::ProtocolError);
    }

    #[test]
    fn only_an_incomplete_bulk_string_is_an_unexpected_end() {
        let inside = |bytes: &[u8]| parse(bytes) == Parsed::Incomplete { inside_bulk: true };
        assert!(inside(b"*1\r\n$4\r\nPI"));
        assert!(inside(b"*1\r\n$4\r\nPING\r"));
        assert!(!inside(b"*1\r\n$4\r\n"));
        assert!(!inside(b"*1\r\n$4"));
    }
}
