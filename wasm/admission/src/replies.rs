//! The refusals, in APK's words, and in the form that the caller of the route reads.

use std::borrow::Cow;

use crate::json_text::quoted;
use crate::admit::Room;
use crate::host;
use crate::rules::Limit;

const JSON: (&str, &str) = ("content-type", "application/json; charset=UTF-8");

/// An answer instead of the backend's.
pub struct Refusal<'a> {
    pub status: u32,
    /// APK's number.
    pub code: Cow<'a, str>,
    pub message: Cow<'a, str>,
    pub description: Cow<'a, str>,
    /// For the access log; begins with `kapi_`.
    pub details: &'static str,
    /// The same; what the caller is told if there is none.
    pub reason: Option<String>,
    pub headers: Vec<(&'static str, String)>,
    /// Whether the protocol of the kind says what is answered, whatever form the caller asks for.
    pub of_protocol: bool,
}

/// How an error is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `error_message, code, error_description`
    Apk,
    /// A response with errors and without data (GraphQL over HTTP §6.4.2).
    GraphQl,
    /// A JSON-RPC error.
    Mcp,
}

impl<'a> Refusal<'a> {
    pub fn new(status: u32, code: &'a str, message: &'a str, description: impl Into<Cow<'a, str>>, details: &'static str) -> Self {
        Refusal { status, code: code.into(), message: message.into(), description: description.into(), details, reason: None, headers: Vec::new(), of_protocol: false }
    }

    /// What the access log says.
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// `form` is the one that the caller asks for.
    pub fn send(&self, form: Form) {
        let (message, code, description) = (quoted(&self.message), quoted(&self.code), quoted(&self.description));
        let content_type = match form {
            Form::GraphQl => crate::graphql::CONTENT_TYPE,
            Form::Mcp => "application/json",
            Form::Apk => JSON.1,
        };
        let body = match form {
            Form::Mcp => crate::mcp_requests::error_body(self),
            Form::Apk if !self.of_protocol => format!("{{\"error_message\":{message},\"code\":{code},\"error_description\":{description}}}"),
            _ => format!("{{\"errors\":{}}}", self.graphql_errors()),
        };
        let mut headers = vec![("content-type", content_type)];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        // For the access log.
        host::set_property(b"kapi.code", self.code.as_bytes());
        host::set_property(b"kapi.reason", self.reason.as_deref().unwrap_or(&self.description).as_bytes());
        host::respond(self.status, self.details, body.as_bytes(), &headers);
    }
}

impl Refusal<'_> {
    /// The list of errors of a GraphQL response (§7.1.2).
    pub fn graphql_errors(&self) -> String {
        let (message, code, description) = (quoted(&self.message), quoted(&self.code), quoted(&self.description));
        format!("[{{\"message\":{description},\"extensions\":{{\"code\":{code},\"title\":{message}}}}}]")
    }
}

/// 429 (RFC 6585 §4) with Retry-After and the headers of draft-polli-ratelimit-headers-03.
pub fn over(limit: &Limit, room: &Room) -> Refusal<'static> {
    let seconds = room.reset.to_string();
    let description = format!("You have exceeded your quota. Try again in {seconds} s.");
    let refusal = Refusal::new(429, "", "Message throttled out", description, "kapi_rate_limited");
    let reason = format!("the limit of {} in {} s is used up: {}", room.allowed, room.unit, limit.key);
    Refusal { code: limit.code.to_owned().into(), reason: Some(reason), ..refusal }
        .with("retry-after", seconds.as_str())
        .with("x-ratelimit-limit", quota(room))
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", seconds.as_str())
}

pub fn quota(room: &Room) -> String {
    format!("{}, {};w={}", room.allowed, room.allowed, room.unit)
}

pub fn not_subscribed() -> Refusal<'static> {
    Refusal::new(403, "900908", "Resource forbidden", "Resource forbidden", "kapi_not_subscribed").because("the application has no subscription to the API")
}

pub fn blocked() -> Refusal<'static> {
    let message = "The requested API is temporarily blocked";
    Refusal::new(401, "900907", message, "API Subscription is blocked", "kapi_subscription_blocked")
        .with("www-authenticate", "Bearer realm=\"kapi\"")
}

pub fn inactive() -> Refusal<'static> {
    let message = "The subscription to the API is inactive";
    Refusal::new(403, "900909", message, message, "kapi_subscription_inactive")
}

/// The control process has not said yet who may call what.
pub fn not_ready() -> Refusal<'static> {
    let description = "The gateway cannot take the request now; try again.";
    Refusal::new(503, "503", "Service Unavailable", description, "kapi_admission_not_ready").with("retry-after", "1")
}

/// The common count of several nodes does not answer, and the settings say that calls are refused then.
pub fn limits_away() -> Refusal<'static> {
    let description = "The gateway cannot count calls now; try again.";
    Refusal::new(503, "503", "Service Unavailable", description, "kapi_limits_away").with("retry-after", "1")
}
