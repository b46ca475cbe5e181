//! RESP2 replies in CPA's form.

use bytes::Bytes;

pub(crate) fn ok(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+OK\r\n");
}

pub(crate) fn error(out: &mut Vec<u8>, message: &str) {
    out.push(b'-');
    out.extend_from_slice(message.as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn array(out: &mut Vec<u8>, items: usize) {
    header(out, b'*', items);
}

pub(crate) fn integer(out: &mut Vec<u8>, value: usize) {
    header(out, b':', value);
}

pub(crate) fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

pub(crate) fn bulk(out: &mut Vec<u8>, payload: &[u8]) {
    header(out, b'$', payload.len());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

pub(crate) fn message(out: &mut Vec<u8>, channel: &str, payload: &Bytes) {
    array(out, 3);
    bulk(out, b"message");
    bulk(out, channel.as_bytes());
    bulk(out, payload);
}

fn header(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.extend_from_slice(b"\r\n");
}
