//! Unexpected responses: none panics, and none affects more than its own entry.

use proptest::prelude::*;

use super::super::error_event;
use super::{body, decoding, files};
use crate::cpa::lists::key_lists::{self, KeyList};
use crate::cpa::lists::{NotAList, decode_v0, decode_v8};

const NO_LISTS: [&str; 12] = [
    "",
    "null",
    "7",
    "[]",
    "{}",
    "\"files\"",
    "<html><body>502 Bad Gateway</body></html>",
    r#"{"files":null}"#,
    r#"{"files":7}"#,
    r#"{"files":{}}"#,
    r#"{"files":[{]}"#,
    "\u{feff}{\"files\":[]}",
];

#[test]
fn invalid_list_is_distinguished_from_an_empty_one() {
    for text in NO_LISTS {
        let bytes = text.as_bytes();
        assert_eq!(
            decode_v0::files(bytes, &decoding()).err(),
            Some(NotAList),
            "{text}"
        );
        assert_eq!(
            decode_v8::page(bytes, &decoding()).err(),
            Some(NotAList),
            "{text}"
        );
        for list in KeyList::ALL {
            let entries = key_lists::entries(list, bytes, &decoding());
            assert_eq!(entries.err(), Some(NotAList), "{text}");
        }
    }
    for list in KeyList::ALL {
        for value in ["null", "[]"] {
            let text = format!(r#"{{"{}":{value}}}"#, list.name());
            let listed = key_lists::entries(list, text.as_bytes(), &decoding()).unwrap();
            assert!(listed.keys.is_empty() && listed.skipped == 0, "{text}");
        }
    }
}

#[test]
fn invalid_entry_does_not_affect_others() {
    let text = r#"{"files":[7,null,"x",[],{},{"auth_index":null},{"auth_index":7},{"auth_index":""},
        {"auth_index":"00aa","provider":7,"status":[],"disabled":"yes","success":-1,"failed":1e99,"id_token":"x",
         "next_retry_after":7,"last_refresh":"0001-01-01T00:00:00Z","unavailable":null,"email":{}}]}"#;
    let listed = files(text.as_bytes());
    assert_eq!(listed.skipped, 8);
    let [account] = &listed.accounts[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(
        (&*account.auth_index, &*account.provider),
        ("00aa", "unknown")
    );
    assert_eq!((account.disabled, account.unavailable), (false, false));
    assert_eq!((account.success, account.failed), (None, None));
    assert_eq!((account.next_retry, account.last_refresh), (None, None));
    let text = r#"{"codex-api-key":[7,null,{},{"auth-index":7},{"auth-index":"00aa","api-key":null,"base-url":"::"},
        {"api-key-entries":[7,{"api-key":"k","auth-index":"00bb"}]}]}"#;
    let listed = key_lists::entries(KeyList::Codex, text.as_bytes(), &decoding()).unwrap();
    assert_eq!((listed.keys.len(), listed.skipped), (2, 5));
}

#[test]
fn secret_and_overlong_names_and_ids_are_masked_or_cut() {
    let long = "x".repeat(10_000);
    let text = format!(
        r#"{{"files":[{{"auth_index":"sk-live-0123456789abcdef","provider":"a\nb\u0000","name":"{long}",
        "project_id":"someone@example.com","id_token":{{"plan_type":"{long}"}}}}]}}"#
    );
    let listed = files(text.as_bytes());
    let account = &listed.accounts[0];
    assert_eq!(account.auth_index.len(), 16);
    assert_eq!(&*account.provider, "ab");
    assert!(account.name_masked.len() <= 128);
    assert!(account.plan.as_ref().unwrap().len() <= 128);
    assert!(!account.project_id.as_ref().unwrap().contains('@'));
}

#[test]
fn ten_mebibytes_of_noise_are_rejected() {
    let deep = "[".repeat(10 << 20);
    let wide = format!(r#"{{"files":[{}7]}}"#, "7,".repeat(5 << 20));
    let html = format!("<html>{}", "<p>".repeat(3 << 20));
    assert!(decode_v0::files(deep.as_bytes(), &decoding()).is_err());
    assert!(decode_v0::files(html.as_bytes(), &decoding()).is_err());
    assert_eq!(files(wide.as_bytes()).skipped, (5 << 20) + 1);
    let deep_entry = format!(r#"{{"files":[{deep}]}}"#);
    assert!(decode_v0::files(deep_entry.as_bytes(), &decoding()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A real response with random damage.
    #[test]
    fn damage_never_panics(at in 0_usize..20_000, cut in 0_usize..20_000, byte: u8) {
        for fixture in ["auth_files_by_name", "get_openai_compatibility", "get_api_key_usage"] {
            let mut bytes = body(fixture);
            let len = bytes.len();
            bytes[at % len] = byte;
            bytes.truncate(len - cut % len);
            let _listed = decode_v0::files(&bytes, &decoding());
            let _page = decode_v8::page(&bytes, &decoding());
            let _keys = key_lists::entries(KeyList::Compat, &bytes, &decoding());
            let _usage = key_lists::usage(&bytes, &decoding());
            let _event = error_event::decode(&bytes, &decoding());
        }
    }
}
