//! When an answer may be stored, and when a stored one may be used (RFC 9111 §3, §4).

use crate::dates;
use crate::headers::Headers;

/// With these a request is for the backend: a condition on a change, a range, or another protocol.
const FOR_THE_BACKEND: [&str; 5] = ["range", "if-range", "if-match", "if-unmodified-since", "upgrade"];
/// Of one connection only (RFC 9110 §7.6.1), of one call only, or written anew.
const NOT_STORED: [&str; 11] = [
    "connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "age",
    "x-request-id",
];

/// Seconds of a year.
const LONGEST: u64 = 31_536_000;

/// The directives of `Cache-Control` (§5.2): name in small letters, and argument without quotes.
pub fn directives(headers: &Headers) -> Vec<(String, String)> {
    let text = headers.get("cache-control").unwrap_or_default();
    let (mut found, mut quoted, mut part) = (Vec::new(), false, String::new());
    for letter in text.chars().chain([',']) {
        match letter {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                let (name, value) = part.split_once('=').unwrap_or((&part, ""));
                found.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
                part = String::new();
            }
            _ => part.push(letter),
        }
    }
    found
}

fn has(directives: &[(String, String)], name: &str) -> bool {
    directives.iter().any(|item| item.0 == name)
}

/// The least of the numbers of a directive; one that is no number is 0 (§4.2.1).
fn number(directives: &[(String, String)], name: &str) -> Option<u64> {
    directives.iter().filter(|item| item.0 == name).map(|item| item.1.parse().unwrap_or(0)).min()
}

/// What a request asks of a cache.
pub struct Wishes {
    pub uses: bool,
    pub stores: bool,
    pub only_cached: bool,
    oldest: Option<u64>,
    fresh_for: u64,
}

impl Wishes {
    /// `bare`: the request has no body. One with a body is for the backend, which may answer what the body asks for: other callers would get that.
    pub fn of(request: &Headers, bare: bool) -> Wishes {
        let said = directives(request);
        let plain = bare && request.get(":method").as_deref() == Some("GET") && !FOR_THE_BACKEND.iter().any(|name| request.has(name));
        let stores = plain && !has(&said, "no-store");
        let anew = has(&said, "no-cache") || (said.iter().all(|item| item.0.is_empty()) && request.get("pragma").is_some_and(|text| text.contains("no-cache")));
        Wishes {
            uses: stores && !anew,
            stores,
            only_cached: has(&said, "only-if-cached"),
            oldest: number(&said, "max-age"),
            fresh_for: number(&said, "min-fresh").unwrap_or(0),
        }
    }

    /// Whether an answer of this age, fresh for these seconds, is good enough.
    pub fn accept(&self, age: u64, fresh: u64) -> bool {
        fresh > self.fresh_for && self.oldest.is_none_or(|oldest| age <= oldest)
    }
}

/// Seconds that an answer is fresh, and its age, when it comes; None if it is not stored. `lifetime` is for answers that do not say it.
pub fn freshness(answer: &Headers, now: u64, lifetime: u64, personal: bool) -> Option<(u64, u64)> {
    let said = directives(answer);
    let is_plain = answer.get(":status").as_deref() == Some("200") && answer.has("content-type") && !answer.has("set-cookie") && answer.get("vary").as_deref() != Some("*");
    if !is_plain || ["no-store", "private", "no-cache"].iter().any(|name| has(&said, name)) {
        return None;
    }
    // §3.5: what a caller with credentials got is for others only if the backend says so.
    if personal && !has(&said, "public") {
        return None;
    }
    let age = answer.get("age").map_or(0, |text| text.trim().parse().unwrap_or(0));
    let lifetime = number(&said, "s-maxage").or(number(&said, "max-age")).unwrap_or_else(|| match answer.get("expires") {
        Some(text) => dates::seconds(&text).map_or(0, |at| at.saturating_sub(answer.get("date").and_then(|text| dates::seconds(&text)).unwrap_or(now))),
        None => lifetime,
    });
    (lifetime > age).then(|| ((lifetime - age).min(LONGEST), age))
}

/// Whether the backend says that any caller may get the answer.
pub fn is_public(answer: &Headers) -> bool {
    has(&directives(answer), "public")
}

/// The request headers that the answer depends on, with their values (§4.1); None if it may depend on more.
pub fn varying(answer: &Headers, request: &Headers) -> Option<Vec<(String, String)>> {
    let mut names: Vec<String> = answer.get("vary").unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect();
    if answer.has("content-encoding") {
        names.push("accept-encoding".to_owned());
    }
    names.sort();
    names.dedup();
    (!names.iter().any(|name| name == "*")).then(|| names.into_iter().map(|name| (name.clone(), value_of(request, &name))).collect())
}

/// An absent header is not an empty one.
pub fn value_of(request: &Headers, name: &str) -> String {
    request.get(name).map_or_else(|| "\0".to_owned(), |value| value.trim().to_owned())
}

/// The headers that are stored.
pub fn kept(answer: &Headers) -> Vec<(String, String)> {
    let connection = answer.get("connection").unwrap_or_default().to_ascii_lowercase();
    let of_connection: Vec<&str> = connection.split(',').map(str::trim).collect();
    let is_kept = |name: &str| !name.starts_with(':') && !name.starts_with("x-envoy-") && !NOT_STORED.contains(&name) && !of_connection.contains(&name);
    answer.0.iter().filter(|pair| is_kept(&pair.0)).cloned().collect()
}

/// Whether the caller has the answer already (RFC 9110 §13.1.2, §13.1.3).
pub fn is_known(request: &Headers, stored: &Headers) -> bool {
    if let Some(tags) = request.get("if-none-match") {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let own = stored.get("etag").map(|tag| bare(&tag));
        return tags.trim() == "*" || tags.split(',').any(|tag| Some(bare(tag)) == own);
    }
    let since = request.get("if-modified-since").and_then(|text| dates::seconds(&text));
    let changed = stored.get("last-modified").and_then(|text| dates::seconds(&text));
    matches!((changed, since), (Some(changed), Some(since)) if changed <= since)
}
