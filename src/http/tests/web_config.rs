use super::*;

fn headers(authorization: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
    headers
}

#[test]
fn credentials_are_a_user_and_a_password_that_may_contain_colons() {
    let found = credentials(&headers("basic YTpiOmM=")).unwrap();
    assert_eq!(found, ("a".to_owned(), b"b:c".to_vec()));
    for wrong in ["Basic", "Basic !", "Bearer YTpi", "Basic YQ=="] {
        assert_eq!(credentials(&headers(wrong)), None, "{wrong}");
    }
}

#[test]
fn a_bucket_allows_a_burst_and_then_one_request_per_interval() {
    let rate = RateLimit {
        interval: Duration::from_secs(2),
        burst: 2,
    };
    let mut bucket = Bucket::default();
    let start = Instant::now();
    let mut allowed = |seconds| bucket.take(rate, start + Duration::from_secs(seconds));
    let taken = [0, 0, 0, 1, 2, 3, 100, 100, 100].map(&mut allowed);
    let expected = [true, true, false, false, true, false, true, true, false];
    assert_eq!(taken, expected);
}

#[test]
fn an_unknown_user_costs_as_much_as_the_most_expensive_known_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("web.yml");
    let hash = |cost| bcrypt::hash("secret", cost).unwrap();
    let text = format!("basic_auth_users:\n  a: {}\n  b: {}\n", hash(4), hash(5));
    fs::write(&path, text).unwrap();
    let file = config::load_web_file(&path).unwrap().value;
    let nobody = nobody(&file.settings.users);
    assert!(nobody.starts_with("$2y$05$"), "{nobody}");
    assert_eq!(bcrypt::verify("secret", &nobody).ok(), Some(false));
}
