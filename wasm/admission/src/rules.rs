//! What a route, a consumer or a key is held to. Texts with tabs, made by `kapi.policies` and `kapi.gateway.consumer_index`.

/// What a limit counts: requests, or tokens that a provider says it took. A request counts as one token when it is let through; its
/// answer adds the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    Request,
    Prompt,
    Completion,
    Total,
}

impl What {
    fn of(letter: &str) -> Option<What> {
        match letter {
            "r" => Some(What::Request),
            "p" => Some(What::Prompt),
            "c" => Some(What::Completion),
            "t" => Some(What::Total),
            _ => None,
        }
    }
}

/// One limit: `allowed` requests or tokens in each window of `unit` seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit<'a> {
    pub key: &'a str,
    pub allowed: u32,
    pub unit: u32,
    /// Refuse what comes over it; otherwise count and say so only.
    pub stops: bool,
    /// APK's code of the refusal.
    pub code: &'a str,
    pub what: What,
    /// How many a request takes; 1 unless its body names several operations.
    pub times: u32,
}

/// The limits of a route: `r|p|c|t` (requests, tokens of prompts, of completions, of both), `key, allowed, unit, code` of each.
pub fn limits(text: &str) -> Option<Vec<Limit<'_>>> {
    let mut fields = text.split('\t');
    let mut found = Vec::with_capacity(4);
    while let Some(what) = fields.next().filter(|what| !what.is_empty()) {
        let what = What::of(what)?;
        let (key, allowed, unit, code) = (fields.next()?, fields.next()?.parse().ok()?, unit(fields.next()?)?, fields.next()?);
        found.push(Limit { key, allowed, unit, stops: true, code, what, times: 1 });
    }
    Some(found)
}

/// What a route belongs to, when it matters who calls: `api, organization, environment, flags`.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub api: &'a str,
    pub organization: &'a str,
    pub environment: &'a str,
    /// The host is the one of the sandbox.
    pub sandbox: bool,
    /// A consumer must have a subscription.
    pub subscription: bool,
    /// Consumers may have limits of their own.
    pub tiers: bool,
}

pub fn place(text: &str) -> Option<Place<'_>> {
    let mut fields = text.split('\t');
    let (api, organization, environment, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let flag = |letter| flags.contains(letter);
    Some(Place { api, organization, environment, sandbox: flag('s'), subscription: flag('v'), tiers: flag('t') })
}

fn unit(text: &str) -> Option<u32> {
    text.parse().ok().filter(|seconds| *seconds > 0)
}

/// The keys by which a consumer's calls are counted: one for requests, and one for each kind of tokens where answers are read.
pub struct Keys {
    requests: String,
    tokens: Option<[String; 3]>,
}

impl Keys {
    pub fn new(requests: String, tokens: bool) -> Self {
        let tokens = tokens.then(|| ["p", "c", "t"].map(|kind| [requests.as_str(), kind].join("/")));
        Keys { requests, tokens }
    }

    fn of(&self, what: What) -> Option<&str> {
        let number = match what {
            What::Request => return Some(&self.requests),
            What::Prompt => 0,
            What::Completion => 1,
            What::Total => 2,
        };
        self.tokens.as_ref().map(|tokens| tokens[number].as_str())
    }
}

/// Limits as a tier says them: `r|p|c|t, allowed, unit, s|c` (stop or count) of each. Limits of tokens are left out where no answer is
/// read.
pub fn tier<'a>(fields: impl Iterator<Item = &'a str>, keys: &'a Keys, code: &'a str, into: &mut Vec<Limit<'a>>) -> Option<()> {
    let mut fields = fields;
    while let Some(letter) = fields.next() {
        let what = What::of(letter)?;
        let (allowed, unit, stops) = (fields.next()?.parse().ok()?, unit(fields.next()?)?, fields.next()? == "s");
        if let Some(key) = keys.of(what) {
            into.push(Limit { key, allowed, unit, stops, code, what, times: 1 });
        }
    }
    Some(())
}

/// An application as the directory knows it by one of its keys. First line: `application, organization, key type, environment`
/// and its tier; each other line: `api, status` and the tier of the subscription.
pub struct Consumer<'a> {
    pub application: &'a str,
    pub organization: &'a str,
    pub key_type: &'a str,
    pub environment: &'a str,
    tier: &'a str,
    subscriptions: &'a str,
}

pub struct Subscription<'a> {
    pub status: &'a str,
    tier: &'a str,
}

pub fn consumer(text: &str) -> Option<Consumer<'_>> {
    let (first, subscriptions) = text.split_once('\n').unwrap_or((text, ""));
    let mut fields = first.splitn(5, '\t');
    let (application, organization, key_type, environment) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(Consumer { application, organization, key_type, environment, tier: fields.next().unwrap_or(""), subscriptions })
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('\t').filter(|_| !text.is_empty())
}

impl<'a> Consumer<'a> {
    /// Whether its key may be used there.
    pub fn is_at(&self, place: &Place) -> bool {
        let kind = if place.sandbox { "SANDBOX" } else { "PRODUCTION" };
        self.organization == place.organization
            && (self.key_type.is_empty() || self.key_type == kind)
            && (self.environment.is_empty() || self.environment == place.environment)
    }

    /// Its subscription to an API.
    pub fn subscription(&self, api: &str) -> Option<Subscription<'a>> {
        self.subscriptions.split('\n').find_map(|line| {
            let (status, tier) = line.strip_prefix(api)?.strip_prefix('\t')?.split_once('\t').unwrap_or((&line[api.len() + 1..], ""));
            Some(Subscription { status, tier })
        })
    }

    pub fn limits(&self, keys: &'a Keys, code: &'a str, into: &mut Vec<Limit<'a>>) -> Option<()> {
        tier(parts(self.tier), keys, code, into)
    }
}

impl<'a> Subscription<'a> {
    /// Whether it lets calls in.
    pub fn is_active(&self, sandbox: bool) -> bool {
        self.status == "ACTIVE" || (self.status == "PROD_ONLY_BLOCKED" && sandbox)
    }

    pub fn limits(&self, keys: &'a Keys, code: &'a str, into: &mut Vec<Limit<'a>>) -> Option<()> {
        tier(parts(self.tier), keys, code, into)
    }
}
