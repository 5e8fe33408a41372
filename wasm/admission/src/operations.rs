//! Operations that the body of a request names: root fields of GraphQL, tools of MCP. What a route says about each, and whether a caller
//! may use those that a request names. The same for every kind; a kind (`graphql`) reads the body and says which operations it names.
//!
//! The metadata `kapi.operations` of a route has a text for each operation, by its name (`query hero`), and one under `kind`. An
//! operation without a text is not declared, and is refused. Made by `kapi.policies.kinds.body_operations`.

use crate::rules::{limits, Limit};

/// An operation that a request names, and how often it is executed: 0 when the request names it beside the one that is executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Use {
    pub name: String,
    pub times: u32,
}

/// What the metadata says of the whole route: `kind, credentials, options`, between tabs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route<'a> {
    /// `graphql`, …: who reads the body.
    pub kind: &'a str,
    /// Which credentials a caller may come with: `t` token, `k` API key, `c` certificate; `m`: a certificate is needed, whatever else.
    /// `n`: the route has no other metadata for the filter.
    pub credentials: &'a str,
    /// What the kind itself needs to know.
    pub options: &'a str,
}

pub fn route(text: &str) -> Option<Route<'_>> {
    let mut fields = text.splitn(3, '\t');
    Some(Route { kind: fields.next()?, credentials: fields.next()?, options: fields.next()? })
}

/// What the metadata says of one operation: `flags, scopes`, and its limits as in `rules::limits`, between tabs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule<'a> {
    /// It needs no credential.
    pub open: bool,
    /// Lists of scopes between `"`, which no scope contains (RFC 6749 §3.3): a token needs all of one list.
    pub scopes: &'a str,
    pub limits: Vec<Limit<'a>>,
}

impl<'a> Rule<'a> {
    pub fn read(text: &'a str) -> Option<Self> {
        let mut fields = text.splitn(3, '\t');
        let (flags, scopes) = (fields.next()?, fields.next()?);
        Some(Rule { open: flags.contains('o'), scopes, limits: limits(fields.next().unwrap_or(""))? })
    }
}

/// The sender of a request, as the filters before this one found out.
pub trait Caller {
    /// A verified access token.
    fn has_token(&self) -> bool;
    fn has_api_key(&self) -> bool;
    fn has_certificate(&self) -> bool;
    /// Whether the token has the scope.
    fn has_scope(&self, scope: &str) -> bool;
}

/// Whether the caller came with what the route asks for.
pub fn authenticated(route: &Route, caller: &impl Caller) -> bool {
    let takes = |letter| route.credentials.contains(letter);
    if takes('m') && !caller.has_certificate() {
        return false;
    }
    (takes('t') && caller.has_token()) || (takes('k') && caller.has_api_key()) || (takes('c') && caller.has_certificate())
}

/// Why an operation is refused. `name` is the operation's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The API has no such operation.
    NotDeclared { name: String },
    /// It needs a credential.
    Missing { name: String },
    /// The token needs the scopes, which are those of the first list.
    Scopes { name: String, needed: String },
    /// The metadata of the route cannot be read.
    NotReady,
}

/// What the uses of a request come to, when all are allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Allowed<'a> {
    /// The limits of the operations, with how much of each the request takes.
    pub limits: Vec<Limit<'a>>,
    /// Some operation needs a credential.
    pub secured: bool,
}

/// Whether the caller may use all of these. `text` finds what the route says of an operation.
pub fn judge<'a>(
    uses: &[Use],
    route: &Route,
    caller: &impl Caller,
    text: impl Fn(&str) -> Option<&'a str>,
) -> Result<Allowed<'a>, Refusal> {
    let mut allowed = Allowed::default();
    let mut known: Option<bool> = None;
    for item in uses {
        let name = item.name.as_str();
        let found = text(name).ok_or_else(|| Refusal::NotDeclared { name: name.to_owned() })?;
        let rule = Rule::read(found).ok_or(Refusal::NotReady)?;
        if !rule.open {
            if !*known.get_or_insert_with(|| authenticated(route, caller)) {
                return Err(Refusal::Missing { name: name.to_owned() });
            }
            if !has_scopes(rule.scopes, caller) {
                let needed = rule.scopes.split('"').next().unwrap_or("").to_owned();
                return Err(Refusal::Scopes { name: name.to_owned(), needed });
            }
            allowed.secured = true;
        }
        if item.times > 0 {
            allowed.limits.extend(rule.limits.iter().map(|limit| Limit { times: item.times, ..*limit }));
        }
    }
    Ok(allowed)
}

/// A caller with only an API key or a certificate has no scopes and needs none, as in `kapi.policies.callers.scopes`.
fn has_scopes(scopes: &str, caller: &impl Caller) -> bool {
    let has_all = |list: &str| list.split(' ').all(|scope| caller.has_scope(scope));
    scopes.is_empty() || !caller.has_token() || scopes.split('"').any(has_all)
}
