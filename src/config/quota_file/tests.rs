use std::fs;

use super::super::resolve::Section;
use super::super::{Env, Flags, Quota, resolve};
use super::*;

fn read(text: &str) -> Result<QuotaFile, String> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "s3cret\n").unwrap();
    let path = dir.path().join("quota.toml");
    fs::write(&path, text).unwrap();
    let mut flags = Flags::default();
    flags.set("quota.file", path.display().to_string());
    let loaded = resolve(&flags, &Env::default(), <Quota as Section>::read);
    loaded
        .map(|loaded| loaded.value.file)
        .map_err(|problems| problems.to_string())
}

#[test]
fn the_example_in_the_documentation_is_valid() {
    let docs = include_str!("../../../docs/providers.md");
    let example = docs.split("```toml\n").nth(1).unwrap();
    let example = example.split("```").next().unwrap();
    let file = read(example).unwrap();
    assert_eq!(file.accounts.len(), 1);
    assert_eq!(file.providers.len(), 1);
}

#[test]
fn errors_name_their_place_without_values() {
    let error = read("[[account]]\nname = \"x\"\nprovder = \"hunter2\"\n").unwrap_err();
    assert!(
        error.contains(":3:1: account \"x\": provder: unknown key; did you mean provider?")
            && !error.contains("hunter2"),
        "{error}"
    );
    let account = "[[account]]\nname = \"x\"\nprovider = \"copilot\"\ntoken_file = \"none\"\n";
    let error = read(account).unwrap_err();
    assert!(error.contains("account \"x\": token_file"), "{error}");
    let account = account.replace("none", "token") + "url = \"ftp://x\"\n";
    let error = read(&account).unwrap_err();
    assert!(error.contains("https:// or http://"), "{error}");
    let base = "[[provider]]\nname = \"p\"\nurl = \"https://x\"\ndomain = \"x\"\n[[provider.limit]]\nname = \"main\"\n";
    for (extra, expected) in [
        ("used = \"no-pointer\"", "JSON pointer"),
        ("reset = \"/a\"", "belong together"),
        ("used_ratio = \"/a\"\nused_percent = \"/b\"", "one share"),
    ] {
        let error = read(&format!("{base}{extra}\n")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let error = read(&base.replace("domain = \"x\"\n", "")).unwrap_err();
    assert!(error.contains("give one of"), "{error}");
}

#[test]
fn a_wrong_value_is_not_quoted() {
    let base = "[[provider]]\nname = \"p\"\nurl = \"https://x\"\ndomain = \"x\"\n";
    let error = read(&format!("{base}headers = \"Bearer hunter2\"\n")).unwrap_err();
    assert!(error.contains(":5:1: provider \"p\": headers: "), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_account_without_a_usable_provider_is_refused() {
    let account = "[[account]]\nname = \"x\"\nprovider = \"copilot\"\ntoken_file = \"token\"\n";
    assert!(read(account).is_ok());
    let error = read(&format!("{account}{account}")).unwrap_err();
    assert!(error.contains("another one"), "{error}");
    for unknown in ["nobody", "claude"] {
        let error = read(&account.replace("copilot", unknown)).unwrap_err();
        assert!(error.contains("token of its own"), "{unknown}: {error}");
    }
    let provider = "[[provider]]\nname = \"p\"\nurl = \"https://x\"\nprovider = \"p\"\n";
    let limit = "[[provider.limit]]\nname = \"main\"\nused = \"/a\"\n";
    let own = account.replace("copilot", "p");
    let error = read(&format!("{own}{provider}{limit}")).unwrap_err();
    assert!(error.contains("token of its own"), "{error}");
    assert!(read(&format!("{own}{provider}own_token = true\n{limit}")).is_ok());
    for (extra, of_limit, expected) in [
        ("headers = { \"a b\" = \"c\" }", "", "header"),
        ("headers = { a = \"b\\nc\" }", "", "header"),
        ("plan = \"plan\"", "", "JSON pointer"),
        (
            "credits = { unit = \"usd\", at = \"x\" }",
            "",
            "JSON pointer",
        ),
        ("", "divisor = 0", "divisor"),
        ("", "divisor = nan", "divisor"),
    ] {
        let error = read(&format!("{provider}{extra}\n{limit}{of_limit}\n")).unwrap_err();
        assert!(error.contains(expected), "{extra}{of_limit}: {error}");
    }
    let error = read(&format!("{provider}{limit}{provider}{limit}")).unwrap_err();
    assert!(error.contains("another one"), "{error}");
    let error = read(&format!(
        "{}{limit}",
        provider.replace("https://x", "https://")
    ))
    .unwrap_err();
    assert!(error.contains("https:// or http://"), "{error}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Any text, and the example with any piece replaced: a file or an error, never a panic.
    #[test]
    fn damaged_files_are_accounts_or_errors(
        text in ".{0,200}", at in 0..4_000_usize, len in 0..40_usize,
    ) {
        let docs = include_str!("../../../docs/providers.md");
        let example = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
        let at = example.floor_char_boundary(at.min(example.len()));
        let end = example.floor_char_boundary((at + len).min(example.len()));
        for piece in [text.as_str(), ""] {
            let damaged = format!("{}{piece}{}", &example[..at], &example[end..]);
            if let Err(error) = read(&damaged) {
                proptest::prop_assert!(!error.is_empty() && !error.contains("s3cret"));
            }
        }
        let _any = read(&text);
    }
}
