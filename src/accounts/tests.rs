//! Responses of a real CPA, and of other servers.

mod failures;
mod hostile;
mod lists;
mod reads;
mod states;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cpa::Decoding;
use crate::cpa::lists::account::Account;
use crate::cpa::lists::decode_v0::{self, Listed};
use crate::decode::{HashKey, Secrets};
use crate::model::UnixNanos;

fn decoding() -> Decoding {
    Decoding {
        secrets: Secrets::new(HashKey([7; 16])),
        keep_email: false,
    }
}

/// The body of a captured response.
fn body(fixture: &str) -> Vec<u8> {
    let path = format!("tests/fixtures/http/{fixture}.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let captured: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    serde_json::to_vec(&captured["response"]["body"]).unwrap()
}

fn files(body: &[u8]) -> Listed {
    decode_v0::files(body, &decoding()).unwrap()
}

fn time(text: &str) -> UnixNanos {
    crate::decode::timestamp(Some(text)).unwrap()
}

/// The only account of a synthetic list with these fields.
fn account(fields: &str, now: &str) -> Account {
    let body = format!(r#"{{"files":[{{"auth_index":"00aa",{fields}}}]}}"#);
    let mut listed = files(body.as_bytes());
    assert_eq!((listed.accounts.len(), listed.skipped), (1, 0), "{fields}");
    let mut account = listed.accounts.remove(0);
    account.settle(time(now));
    account
}
