//! Splits the JSON array of an HTTP queue response: a stored one without copying its elements, and
//! one that is being received with bounded memory.

use std::borrow::Cow;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::MAX_PAYLOAD;

/// Start of every record that CPA writes, in all versions.
const RECORD_START: &[u8] = b",{\"timestamp\"";

/// The elements of an array, unchanged.
///
/// CPA encodes an item that is not JSON as a string; that element is the string's content. Damage
/// affects only the element that contains it: preceding elements are kept, following ones are found
/// by the start of a record, and the damaged part is returned as an element that is not a record.
pub fn split_array(body: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut elements = Vec::new();
    let Some(mut rest) = body.trim_ascii().strip_prefix(b"[") else {
        return vec![Cow::Borrowed(body)];
    };
    loop {
        rest = rest.trim_ascii_start();
        if rest == b"]" {
            return elements;
        }
        let mut stream = Deserializer::from_slice(rest).into_iter::<&RawValue>();
        let element = stream.next().and_then(Result::ok);
        let after = rest
            .get(stream.byte_offset()..)
            .unwrap_or_default()
            .trim_ascii_start();
        match (element, after.split_first()) {
            (Some(element), Some((b',', after))) => {
                elements.push(content(element.get()));
                rest = after;
            }
            (Some(element), Some((b']', []))) => {
                elements.push(content(element.get()));
                return elements;
            }
            _damaged => {
                let next = find(rest, RECORD_START);
                let (damaged, after) = rest.split_at(next.unwrap_or(rest.len()));
                if !damaged.is_empty() {
                    elements.push(Cow::Borrowed(damaged));
                }
                match after.split_first() {
                    Some((_comma, after)) => rest = after,
                    None => return elements,
                }
            }
        }
    }
}

fn content(element: &str) -> Cow<'_, [u8]> {
    if element.starts_with('"')
        && let Ok(text) = serde_json::from_str::<String>(element)
    {
        Cow::Owned(text.into_bytes())
    } else {
        Cow::Borrowed(element.as_bytes())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// Splits an array while it is received, like [`split_array`]. The memory is bounded: of an element
/// longer than [`MAX_PAYLOAD`], only so many bytes and one more are kept, which the decoder rejects as
/// too long.
#[derive(Debug, Default)]
pub struct ArraySplitter {
    place: Place,
    element: Vec<u8>,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Bytes of [`RECORD_START`] that the last bytes match.
    matched: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before the opening bracket.
    #[default]
    Start,
    Elements,
    /// After the closing bracket.
    End,
    /// The text is no array: all of it is one element.
    NoArray,
}

impl ArraySplitter {
    /// Reads `bytes` up to the end of an element: how many were read, and the element.
    pub fn read(&mut self, bytes: &[u8]) -> (usize, Option<Vec<u8>>) {
        for (at, byte) in bytes.iter().enumerate() {
            if let Some(element) = self.step(*byte) {
                return (at + 1, Some(element));
            }
        }
        (bytes.len(), None)
    }

    /// Whether the array is complete, or the text is none. Its end was not received otherwise.
    pub fn is_complete(&self) -> bool {
        match self.place {
            Place::Start | Place::Elements => false,
            Place::End | Place::NoArray => true,
        }
    }

    /// What follows the last element.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        self.take()
    }

    fn step(&mut self, byte: u8) -> Option<Vec<u8>> {
        if self.place == Place::Start {
            match byte {
                b'[' => self.place = Place::Elements,
                _ if byte.is_ascii_whitespace() => {}
                _ => self.place = Place::NoArray,
            }
            if self.place != Place::NoArray {
                return None;
            }
        }
        if self.place == Place::Elements && !self.in_string && self.depth == 0 {
            match byte {
                b',' => {
                    self.matched = 1;
                    return self.take();
                }
                b']' => {
                    self.place = Place::End;
                    return self.take();
                }
                _ => {}
            }
        }
        self.keep(byte);
        if self.place == Place::NoArray {
            return None;
        }
        self.track(byte);
        let resumed = self.resume(byte);
        // A record is complete at its last brace: what follows may take long to arrive.
        let is_end = byte == b'}' && !self.in_string && self.depth == 0;
        if is_end { self.take() } else { resumed }
    }

    fn keep(&mut self, byte: u8) {
        if self.element.len() <= MAX_PAYLOAD {
            self.element.push(byte);
        }
    }

    /// Follows strings and brackets.
    fn track(&mut self, byte: u8) {
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match byte {
            b'\\' if self.in_string => self.escaped = true,
            b'"' => self.in_string = !self.in_string,
            b'[' | b'{' if !self.in_string => self.depth = self.depth.saturating_add(1),
            b']' | b'}' if !self.in_string => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }

    /// Ends a damaged element where a record begins: a string of a valid one cannot contain that.
    fn resume(&mut self, byte: u8) -> Option<Vec<u8>> {
        self.matched = match RECORD_START.get(self.matched) {
            Some(expected) if *expected == byte => self.matched + 1,
            _ => usize::from(byte == b','),
        };
        if self.matched < RECORD_START.len() {
            return None;
        }
        self.matched = 0;
        let record = RECORD_START.get(1..).unwrap_or_default();
        if self.element.trim_ascii_start() == record && self.place == Place::Elements {
            return None;
        }
        let damaged = self.element.len().saturating_sub(RECORD_START.len());
        if self.element.ends_with(RECORD_START) {
            self.element.truncate(damaged);
        }
        let damaged = self.take();
        self.element.extend_from_slice(record);
        (self.place, self.depth) = (Place::Elements, 1);
        (self.in_string, self.escaped) = (false, false);
        damaged
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let element = std::mem::take(&mut self.element);
        let trimmed = element.trim_ascii();
        if trimmed.is_empty() {
            return None;
        }
        if trimmed.len() == element.len() && !trimmed.starts_with(b"\"") {
            return Some(element);
        }
        let text = str::from_utf8(trimmed).ok();
        Some(text.map_or_else(|| trimmed.to_vec(), |text| content(text).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_unchanged() {
        let parts = split_array(br#" [ {"a": [1, 2]} ,"no \"json\"", 7 ] "#);
        assert_eq!(parts, [&br#"{"a": [1, 2]}"#[..], br#"no "json""#, b"7"]);
        assert!(matches!(parts[0], Cow::Borrowed(_)));
        assert!(split_array(b"[]").is_empty());
    }

    #[test]
    fn damage_affects_only_its_element() {
        let body = br#"[{"timestamp":1},{"timestamp":2,"x":},{"timestamp":3},{"timesta"#;
        let parts = split_array(body);
        assert_eq!(
            parts,
            [
                &br#"{"timestamp":1}"#[..],
                br#"{"timestamp":2,"x":}"#,
                br#"{"timestamp":3}"#,
                br#"{"timesta"#
            ]
        );
        for whole in [&b"{}"[..], b"", b"\xff", b"x[1]"] {
            assert_eq!(split_array(whole), [whole]);
        }
        assert_eq!(split_array(b"[1] x"), [&b"1] x"[..]]);
    }

    /// The elements of a body that arrives in pieces, and whether it was complete.
    fn received(body: &[u8], piece: usize) -> (Vec<Vec<u8>>, bool) {
        let mut splitter = ArraySplitter::default();
        let mut elements = Vec::new();
        for mut bytes in body.chunks(piece) {
            while !bytes.is_empty() {
                let (used, element) = splitter.read(bytes);
                elements.extend(element);
                bytes = &bytes[used..];
            }
        }
        let is_complete = splitter.is_complete();
        elements.extend(splitter.rest());
        (elements, is_complete)
    }

    #[test]
    fn a_received_array_has_the_elements_of_a_stored_one() {
        let bodies = [
            &br#" [ {"a": [1, 2]} ,"no \"json\"", 7 ] "#[..],
            b"[]",
            br#"[{"timestamp":1,"body":"[{,]}\\\","},{"timestamp":2}]"#,
            br#"[{"timestamp":1},{"timestamp":2,"x":},{"timestamp":3}]"#,
            br#"[{"timestamp":1,"x":"no end},{"timestamp":2},{"timestamp":3}]"#,
            br#"[{"timestamp":1,"x":{"lost":1,{"timestamp":2},{"timestamp":3}]"#,
            b"{}",
            b"\xff",
            b"x[1]",
        ];
        for body in bodies {
            let stored: Vec<_> = split_array(body).into_iter().map(Cow::into_owned).collect();
            for piece in [1, 3, body.len()] {
                let (elements, is_complete) = received(body, piece);
                assert_eq!(elements, stored, "{}", String::from_utf8_lossy(body));
                assert!(is_complete);
            }
        }
        let (elements, is_complete) = received(br#"[{"timestamp":1},{"timesta"#, 2);
        assert_eq!(elements, [&br#"{"timestamp":1}"#[..], br#"{"timesta"#]);
        assert!(!is_complete);
        assert_eq!(received(b"[1] x", 9).0, [&b"1"[..], b"x"]);
    }

    #[test]
    fn a_long_element_is_cut() {
        let long = [&b"[\""[..], &vec![b'x'; 2 * MAX_PAYLOAD], b"\",7]"].concat();
        let (elements, is_complete) = received(&long, 1 << 16);
        let lengths: Vec<_> = elements.iter().map(Vec::len).collect();
        assert_eq!(lengths, [MAX_PAYLOAD + 1, 1]);
        assert!(is_complete);
    }
}
