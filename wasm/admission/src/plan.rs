//! What a route tells the filter, in one text, since each reading of a route's metadata takes microseconds: a line for each thing, its name
//! first and a tab after it. Made by `planned` of `kapi.policies.admission`.

/// The text; empty where a route says nothing.
#[derive(Clone, Copy, Default)]
pub struct Plan<'a>(pub &'a str);

impl<'a> Plan<'a> {
    fn line(self, name: &str) -> Option<&'a str> {
        self.0.split('\n').find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'))
    }

    /// What `operations::route` reads, if the body of a request names operations.
    pub fn kind(self) -> Option<&'a str> {
        self.line("kind")
    }

    pub fn limits(self) -> Option<&'a str> {
        self.line("limits")
    }

    /// Where the route is, when it matters who calls.
    pub fn place(self) -> Option<&'a str> {
        self.line("place")
    }

    /// Where answers have their tokens.
    pub fn usage(self) -> Option<&'a str> {
        self.line("usage")
    }

    pub fn models(self) -> Option<&'a str> {
        self.line("models")
    }

    pub fn prices(self) -> Option<&'a str> {
        self.line("prices")
    }
}
