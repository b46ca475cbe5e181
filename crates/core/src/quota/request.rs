use std::fmt;

/// Stands for the account's token in a header's value; CPA puts the token in, so that it never
/// comes here.
pub const TOKEN: &str = "$TOKEN$";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

impl Method {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// One call to a provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// Headers and body may hold ids of an account, so they do not show.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split('?').next().unwrap_or_default();
        write!(f, "{} {url}", self.method.as_str())
    }
}

impl Request {
    /// A GET with the usual `Authorization`.
    pub(super) fn get(url: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            url: url.into(),
            headers: Vec::new(),
            body: None,
        }
        .header("Authorization", format!("Bearer {TOKEN}"))
    }

    /// A POST of JSON with the usual `Authorization`.
    pub(super) fn post(url: impl Into<String>, body: &serde_json::Value) -> Self {
        let mut request = Self::get(url).header("Content-Type", "application/json");
        request.method = Method::Post;
        request.body = Some(body.to_string());
        request
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Another value of a header that is there, or a new one.
    pub(super) fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers
            .retain(|(has, _)| !has.eq_ignore_ascii_case(name));
        self.header(name, value)
    }
}
