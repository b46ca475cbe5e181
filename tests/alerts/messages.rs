//! The readable text of received messages.

use serde_json::Value;

use crate::sinks::Arrival;

/// The text of a message as the channel receives it.
pub(crate) fn text(arrival: &Arrival) -> String {
    if arrival.path == "/mail" {
        return mail(&arrival.body);
    }
    let json: Value = serde_json::from_str(&arrival.body).unwrap();
    let at = |pointer: &str| json.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    match arrival.path.split(['/', '?']).nth(1).unwrap() {
        "discord" => format!("{}\n{}", at("/embeds/0/title"), at("/embeds/0/description")),
        "slack" => format!(
            "{}\n{}",
            at("/attachments/0/title"),
            at("/attachments/0/text")
        ),
        path if path.starts_with("bot") => at("/text"),
        _ => json.to_string(),
    }
}

/// Subject and both parts of an e-mail, decoded.
fn mail(message: &str) -> String {
    let (head, body) = message.split_once("\n\n").unwrap();
    let subject = head.lines().find_map(|l| l.strip_prefix("Subject: "));
    let boundary = head.split("boundary=").nth(1).unwrap();
    let boundary = boundary.lines().next().unwrap();
    let border = format!("--{boundary}");
    let parts = body.split(&border).skip(1);
    let parts = parts.filter_map(|part| part.split_once("\n\n").map(|(_, text)| quoted(text)));
    let parts: Vec<String> = parts.collect();
    format!(
        "{}\n{}",
        encoded_word(subject.unwrap()),
        parts.join("\n====\n")
    )
}

/// Quoted-printable.
fn quoted(text: &str) -> String {
    let text = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('=') {
        bytes.extend(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

/// `=?utf-8?q?…?=`, also several in a row.
fn encoded_word(subject: &str) -> String {
    let words = subject.split(' ').map(|word| {
        let inner = word.strip_prefix("=?utf-8?q?");
        let inner = inner.and_then(|word| word.strip_suffix("?="));
        inner.map_or_else(|| word.to_owned(), |inner| quoted(&inner.replace('_', " ")))
    });
    words.collect()
}

#[test]
fn mails_are_decoded() {
    let message = "Subject: =?utf-8?q?a_=C3=A9?=\nContent-Type: multipart/alternative; boundary=B\n\n\
                   --B\nContent-Type: text/plain\n\nx=3Dy=\nz\n--B--\n";
    assert_eq!(mail(message), "a é\nx=yz\n");
}
