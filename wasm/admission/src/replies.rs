//! The refusals, in APK's words.

use crate::admit::Room;
use crate::host;
use crate::rules::Limit;

const JSON: (&str, &str) = ("content-type", "application/json; charset=UTF-8");

fn body(message: &str, code: &str, description: &str) -> String {
    format!("{{\"error_message\":\"{message}\",\"code\":\"{code}\",\"error_description\":\"{description}\"}}")
}

/// 429 (RFC 6585 §4) with Retry-After and the headers of draft-polli-ratelimit-headers-03.
pub fn over(limit: &Limit, room: &Room) {
    let (seconds, quota) = (room.reset.to_string(), quota(room));
    let text = body("Message throttled out", limit.code, &format!("You have exceeded your quota. Try again in {seconds} s."));
    let headers = [JSON, ("retry-after", &seconds), ("x-ratelimit-limit", &quota), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &seconds)];
    host::respond(429, "kapi_rate_limited", text.as_bytes(), &headers);
}

pub fn quota(room: &Room) -> String {
    format!("{}, {};w={}", room.allowed, room.allowed, room.unit)
}

pub fn not_subscribed() {
    host::respond(403, "kapi_not_subscribed", body("Resource forbidden", "900908", "Resource forbidden").as_bytes(), &[JSON]);
}

pub fn blocked() {
    let text = body("The requested API is temporarily blocked", "900907", "API Subscription is blocked");
    host::respond(401, "kapi_subscription_blocked", text.as_bytes(), &[JSON, ("www-authenticate", "Bearer realm=\"kapi\"")]);
}

pub fn inactive() {
    let text = body("The subscription to the API is inactive", "900909", "The subscription to the API is inactive");
    host::respond(403, "kapi_subscription_inactive", text.as_bytes(), &[JSON]);
}

/// The control process has not said yet who may call what.
pub fn not_ready() {
    let text = "{\"code\":\"503\",\"message\":\"Service Unavailable\",\"description\":\"The gateway cannot take the request now; try again.\"}";
    host::respond(503, "kapi_admission_not_ready", text.as_bytes(), &[JSON, ("retry-after", "1")]);
}
