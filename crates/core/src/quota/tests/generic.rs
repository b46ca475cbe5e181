use std::time::Duration;

use super::support::{AT, account, answer, drive, key_at, rows};
use crate::model::{Limit, QuotaAnswer, Scope, Unit, Window, WindowRole};
use crate::quota::providers::{Generic, GenericLimit, ResetForm, Serves, ShareForm};
use crate::quota::{Auth, Failure, Method, ParseError, Provider, Request};

fn limit() -> GenericLimit {
    GenericLimit {
        limit: Limit::main(),
        name: None,
        window: Window::Role(WindowRole::Monthly),
        scope: Scope::Account,
        unit: Unit::Usd,
        divisor: 1.0,
        used: None,
        allowed: None,
        remaining: None,
        share: None,
        reset: None,
    }
}

fn provider(limits: Vec<GenericLimit>) -> Generic {
    Generic {
        id: "openrouter".to_owned(),
        serves: Serves::Domain("openrouter.ai".to_owned()),
        auth: Auth::Cpa,
        min_interval: Duration::from_mins(5),
        request: Request {
            method: Method::Get,
            url: "https://openrouter.ai/api/v1/key".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer $TOKEN$".to_owned())],
            body: None,
        },
        plan: Some("/data/label".to_owned()),
        credits: Some((Unit::Usd, "/data/balance".to_owned())),
        limits,
    }
}

fn ask(provider: &Generic, body: &str) -> Result<QuotaAnswer, Failure> {
    let provider = Provider::from(provider.clone());
    drive(&provider, &account("x"), false, |_| answer(200, body)).result
}

#[test]
fn values_are_found_by_pointer() {
    let provider = provider(vec![GenericLimit {
        divisor: 100.0,
        used: Some("/data/usage".to_owned()),
        allowed: Some("/data/limits/0/cents".to_owned()),
        ..limit()
    }]);
    let body =
        r#"{"data":{"label":"team","usage":"250","limits":[{"cents":1000}],"balance":-1.5}}"#;
    let answer = ask(&provider, body).unwrap();
    assert_eq!(rows(&answer.readings), ["main monthly 0.25 2.5/10/7.5 usd"]);
    assert_eq!(answer.facts.plan.unwrap().as_str(), "team");
    assert_eq!(answer.facts.credits, [(Unit::Usd, -1.5)]);
    assert_eq!(
        ask(&provider, r#"{"data":{}}"#),
        Err(Failure::Parse(ParseError::Shape))
    );
}

#[test]
fn ratios_and_resets_in_every_form() {
    use ResetForm as R;
    use ShareForm as S;
    let at = AT.as_millis() / 1000;
    let table = [
        (
            S::UsedRatio,
            R::Seconds,
            "0.25",
            "1784000000",
            1_784_000_000,
        ),
        (
            S::UsedPercent,
            R::Millis,
            "25",
            "1784000000000",
            1_784_000_000,
        ),
        (
            S::RemainingRatio,
            R::Iso,
            "0.75",
            r#""2026-05-10T00:00:00Z""#,
            1_778_371_200,
        ),
        (S::RemainingPercent, R::InSeconds, r#""75""#, "90", at + 90),
        (S::RemainingPercent, R::InMillis, "75", "90000", at + 90),
    ];
    for (share, reset, ratio, time, expected) in table {
        let provider = provider(vec![GenericLimit {
            share: Some((share, "/share".to_owned())),
            reset: Some((reset, "/reset".to_owned())),
            ..limit()
        }]);
        let answer = ask(&provider, &format!(r#"{{"share":{ratio},"reset":{time}}}"#)).unwrap();
        let row = format!("main monthly 0.25 @{expected}");
        assert_eq!(rows(&answer.readings), [row], "{share:?} {reset:?}");
    }
}

#[test]
fn accounts_are_selected_by_provider_domain_or_index() {
    let mut generic = provider(Vec::new());
    assert!(
        generic
            .serves
            .matches(&key_at("https://openrouter.ai/api/v1"))
    );
    assert!(!generic.serves.matches(&account("codex")));
    generic.serves = Serves::Provider("Codex".to_owned());
    assert!(generic.serves.matches(&account("codex")));
    generic.serves = Serves::Accounts(vec!["231536fa11433566".to_owned()]);
    assert!(
        generic.serves.matches(&key_at("https://a.example"))
            && !generic.serves.matches(&account("codex"))
    );
}
