//! Executable GraphQL documents (GraphQL specification, September 2025, §2.2): which root fields each operation selects, and how deep,
//! wide and renamed its selections are. The text is parsed once; there is no schema here.
//!
//! What is found is never less than what a server may execute: a field counts whatever `@skip`, `@include` and type conditions say.

use std::collections::{BTreeMap, BTreeSet};

use crate::graphql_lexer::{Fault as Lexical, Lexer, Token};

/// Levels of selections, and of values, that are parsed; also of fragments inside each other.
pub const DEEPEST: u32 = 200;
/// Fields that an introspection may select, and its lists of lists of types (as in graphql-js's MaxIntrospectionDepthRule).
const MOST_INTROSPECTION_FIELDS: u32 = 1_000;
const MOST_INTROSPECTION_LISTS: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Query,
    Mutation,
    Subscription,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Query => "query",
            Kind::Mutation => "mutation",
            Kind::Subscription => "subscription",
        }
    }
}

/// Why a document is refused: what to say, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    Invalid(String),
    TooDeep(String),
    TooComplex(String),
}

fn invalid(what: &str) -> Fault {
    Fault::Invalid(what.to_owned())
}

/// What a document may have; 0 is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    pub depth: u32,
    pub complexity: u32,
    pub aliases: u32,
}

type Set = u32;
const NONE: u32 = u32::MAX;

/// A selection; those of one set are linked.
struct Selection<'a> {
    next: u32,
    what: What<'a>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Field { key: &'a str, name: &'a str, inside: Set },
    Inline(Set),
    Spread(&'a str),
}

struct Operation<'a> {
    kind: Kind,
    name: Option<&'a str>,
    first: Set,
}

struct Document<'a> {
    operations: Vec<Operation<'a>>,
    fragments: BTreeMap<&'a str, Set>,
    selections: Vec<Selection<'a>>,
}

/// What a set of selections comes to, with its fragments put in.
#[derive(Clone, Copy, Debug, Default)]
struct Measures {
    depth: u32,
    fields: u32,
    aliases: u32,
    lists: u32,
    introspected_fields: u32,
    introspected_lists: u32,
}

impl Measures {
    fn add(&mut self, other: Measures) {
        self.depth = self.depth.max(other.depth);
        self.lists = self.lists.max(other.lists);
        self.introspected_lists = self.introspected_lists.max(other.introspected_lists);
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.introspected_fields = self.introspected_fields.saturating_add(other.introspected_fields);
    }

    /// Those of a field around a set. Introspection has limits of its own, so that tools can ask for a whole schema.
    fn around(mut self, key: &str, name: &str) -> Self {
        if matches!(name, "__schema" | "__type") {
            self.introspected_fields = self.introspected_fields.saturating_add(self.fields);
            self.introspected_lists = self.introspected_lists.max(self.lists);
            (self.depth, self.fields) = (0, 0);
        }
        if matches!(name, "fields" | "interfaces" | "possibleTypes" | "inputFields") {
            self.lists = self.lists.saturating_add(1);
        }
        self.depth = self.depth.saturating_add(1);
        self.fields = self.fields.saturating_add(1);
        self.aliases = self.aliases.saturating_add(u32::from(key != name));
        self
    }
}

impl<'a> Document<'a> {
    fn parse(text: &'a str) -> Result<Self, Fault> {
        let document = Document { operations: Vec::new(), fragments: BTreeMap::new(), selections: Vec::new() };
        let mut parser = Parser { lexer: Lexer::new(text), document };
        match parser.document() {
            Ok(()) => parser.document.checked(),
            Err(Syntax::TooDeep) => Err(Fault::TooDeep(format!("The document is nested more than {DEEPEST} levels deep."))),
            Err(Syntax::TooLarge) => Err(invalid("The document is too large.")),
            Err(Syntax::Unexpected) => {
                let (line, column) = parser.lexer.place();
                Err(Fault::Invalid(format!("Syntax error in the document at line {line}, column {column}.")))
            }
        }
    }

    /// Names of operations and fragments are told apart, and an operation without a name is alone (§5.2, §5.5.1.1).
    fn checked(self) -> Result<Self, Fault> {
        if self.operations.is_empty() {
            return Err(invalid("The document has no operation."));
        }
        let mut names: Vec<Option<&str>> = self.operations.iter().map(|operation| operation.name).collect();
        if names.len() > 1 && names.contains(&None) {
            return Err(invalid("An operation without a name must be the only one in the document."));
        }
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(invalid("Two operations of the document have the same name."));
        }
        Ok(self)
    }

    /// `known` has the fragments that were measured, or None for one that is being measured: it would contain itself (§5.5.2.2).
    fn measure(&self, set: Set, known: &mut BTreeMap<&'a str, Option<Measures>>, level: u32) -> Result<Measures, Fault> {
        if level > DEEPEST {
            return Err(Fault::TooDeep(format!("The document is nested more than {DEEPEST} levels deep.")));
        }
        let mut total = Measures::default();
        let mut next = set;
        while let Some(selection) = self.selections.get(next as usize) {
            next = selection.next;
            total.add(match selection.what {
                What::Field { key, name, inside } => self.measure(inside, known, level + 1)?.around(key, name),
                What::Inline(inside) => self.measure(inside, known, level + 1)?,
                What::Spread(name) => match known.get(name) {
                    Some(Some(found)) => *found,
                    Some(None) => return Err(invalid("A fragment of the document contains itself.")),
                    None => {
                        known.insert(name, None);
                        let found = self.measure(self.fragment(name)?, known, level + 1)?;
                        known.insert(name, Some(found));
                        found
                    }
                },
            });
        }
        Ok(total)
    }

    fn fragment(&self, name: &str) -> Result<Set, Fault> {
        self.fragments.get(name).copied().ok_or_else(|| invalid("The document uses a fragment that it does not define."))
    }

    /// The root fields of an operation that was measured, each with how often it is executed: once for each response name (§6.3.2).
    fn roots(&self, operation: &Operation<'a>) -> Vec<(&'a str, u32)> {
        let mut found: Vec<(&str, &str)> = Vec::new();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open = vec![operation.first];
        while let Some(mut next) = open.pop() {
            while let Some(selection) = self.selections.get(next as usize) {
                next = selection.next;
                match selection.what {
                    What::Field { key, name, .. } => found.push((name, key)),
                    What::Inline(inside) => open.push(inside),
                    What::Spread(name) if seen.insert(name) => open.extend(self.fragments.get(name)),
                    What::Spread(_) => {}
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        let mut counted: Vec<(&str, u32)> = Vec::new();
        for (name, _) in found {
            match counted.last_mut() {
                Some((last, times)) if *last == name => *times += 1,
                _ => counted.push((name, 1)),
            }
        }
        counted
    }
}

/// What is checked of a document, without its text.
#[derive(Debug)]
pub struct Parsed {
    pub operations: Vec<ParsedOperation>,
}

#[derive(Debug)]
pub struct ParsedOperation {
    pub kind: Kind,
    name: Option<String>,
    /// The root fields but `__typename`, by the names of the operations (`query hero`), and how often each is executed.
    pub roots: Vec<(String, u32)>,
    measures: Measures,
}

impl Parsed {
    pub fn of(text: &str) -> Result<Self, Fault> {
        let document = Document::parse(text)?;
        let mut known = BTreeMap::new();
        let mut operations = Vec::with_capacity(document.operations.len());
        for operation in &document.operations {
            let measures = document.measure(operation.first, &mut known, 0)?;
            let roots = document.roots(operation).into_iter().filter(|(field, _)| *field != "__typename");
            let roots = roots.map(|(field, times)| ([operation.kind.word(), field].join(" "), times)).collect();
            operations.push(ParsedOperation { kind: operation.kind, name: operation.name.map(str::to_owned), roots, measures });
        }
        Ok(Parsed { operations })
    }

    /// The operation that is executed (§6.1): the one with the name, or the only one.
    pub fn selected(&self, name: Option<&str>) -> Result<&ParsedOperation, Fault> {
        match (name, self.operations.as_slice()) {
            (None, [only]) => Ok(only),
            (None, _) => Err(invalid("The document has several operations: say which one in operationName.")),
            (Some(_), _) => self
                .operations
                .iter()
                .find(|operation| operation.name.as_deref() == name)
                .ok_or_else(|| invalid("The document has no operation of the name in operationName.")),
        }
    }

    /// Whether all operations keep the limits.
    pub fn check(&self, limits: &Limits) -> Result<(), Fault> {
        self.operations.iter().try_for_each(|operation| operation.measures.check(limits))
    }
}

impl Measures {
    fn check(&self, limits: &Limits) -> Result<(), Fault> {
        if over(self.depth, limits.depth) {
            return Err(Fault::TooDeep(format!("The query is {} levels deep; {} are allowed.", self.depth, limits.depth)));
        }
        if over(self.fields, limits.complexity) {
            let (fields, most) = (self.fields, limits.complexity);
            return Err(Fault::TooComplex(format!("The query selects {fields} fields; {most} are allowed.")));
        }
        if over(self.aliases, limits.aliases) {
            let (aliases, most) = (self.aliases, limits.aliases);
            return Err(Fault::TooComplex(format!("The query has {aliases} aliases; {most} are allowed.")));
        }
        if self.introspected_fields > MOST_INTROSPECTION_FIELDS || self.introspected_lists >= MOST_INTROSPECTION_LISTS {
            return Err(Fault::TooComplex("The introspection asks for too much at once.".to_owned()));
        }
        Ok(())
    }
}

fn over(found: u32, limit: u32) -> bool {
    limit > 0 && found > limit
}

enum Syntax {
    Unexpected,
    TooDeep,
    TooLarge,
}

impl From<Lexical> for Syntax {
    fn from(fault: Lexical) -> Self {
        match fault {
            Lexical::Unexpected => Syntax::Unexpected,
            Lexical::TooManyTokens => Syntax::TooLarge,
        }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    document: Document<'a>,
}

type Step<T> = Result<T, Syntax>;

impl<'a> Parser<'a> {
    fn is(&self, mark: u8) -> bool {
        self.lexer.token == Token::Mark(mark)
    }

    fn take(&mut self, mark: u8) -> Step<bool> {
        let there = self.is(mark);
        if there {
            self.lexer.advance()?;
        }
        Ok(there)
    }

    fn expect(&mut self, mark: u8) -> Step<()> {
        if self.take(mark)? { Ok(()) } else { Err(Syntax::Unexpected) }
    }

    fn name(&mut self) -> Step<&'a str> {
        let Token::Name(name) = self.lexer.token else { return Err(Syntax::Unexpected) };
        self.lexer.advance()?;
        Ok(name)
    }

    fn document(&mut self) -> Step<()> {
        self.lexer.advance()?;
        loop {
            // A description says nothing to a server (§2.2), and the short form of a query has none.
            let described = self.lexer.token == Token::Text;
            if described {
                self.lexer.advance()?;
            }
            match self.lexer.token {
                Token::Mark(b'{') if !described => self.operation(Kind::Query, None)?,
                Token::Name("query") => self.named(Kind::Query)?,
                Token::Name("mutation") => self.named(Kind::Mutation)?,
                Token::Name("subscription") => self.named(Kind::Subscription)?,
                Token::Name("fragment") => self.fragment()?,
                _ => return Err(Syntax::Unexpected),
            }
            if self.lexer.token == Token::End {
                return Ok(());
            }
        }
    }

    fn named(&mut self, kind: Kind) -> Step<()> {
        self.lexer.advance()?;
        let name = if matches!(self.lexer.token, Token::Name(_)) { Some(self.name()?) } else { None };
        if self.take(b'(')? {
            self.variables()?;
        }
        self.directives(false)?;
        self.operation(kind, name)
    }

    fn operation(&mut self, kind: Kind, name: Option<&'a str>) -> Step<()> {
        let first = self.set(0)?;
        self.document.operations.push(Operation { kind, name, first });
        Ok(())
    }

    fn fragment(&mut self) -> Step<()> {
        self.lexer.advance()?;
        let name = self.name()?;
        if name == "on" || self.name()? != "on" {
            return Err(Syntax::Unexpected);
        }
        self.name()?;
        self.directives(false)?;
        let first = self.set(0)?;
        // Two of one name are refused, whichever a server would take (§5.5.1.1).
        if self.document.fragments.insert(name, first).is_some() {
            return Err(Syntax::Unexpected);
        }
        Ok(())
    }

    fn variables(&mut self) -> Step<()> {
        loop {
            if self.lexer.token == Token::Text {
                self.lexer.advance()?;
            }
            self.expect(b'$')?;
            self.name()?;
            self.expect(b':')?;
            self.type_reference()?;
            if self.take(b'=')? {
                self.value(true, 0)?;
            }
            self.directives(true)?;
            if self.take(b')')? {
                return Ok(());
            }
        }
    }

    fn type_reference(&mut self) -> Step<()> {
        let mut lists = 0;
        while self.take(b'[')? {
            lists += 1;
        }
        self.name()?;
        self.take(b'!')?;
        for _ in 0..lists {
            self.expect(b']')?;
            self.take(b'!')?;
        }
        Ok(())
    }

    fn directives(&mut self, constant: bool) -> Step<()> {
        while self.take(b'@')? {
            self.name()?;
            self.arguments(constant)?;
        }
        Ok(())
    }

    fn arguments(&mut self, constant: bool) -> Step<()> {
        if !self.take(b'(')? {
            return Ok(());
        }
        loop {
            self.name()?;
            self.expect(b':')?;
            self.value(constant, 0)?;
            if self.take(b')')? {
                return Ok(());
            }
        }
    }

    fn value(&mut self, constant: bool, level: u32) -> Step<()> {
        if level > DEEPEST {
            return Err(Syntax::TooDeep);
        }
        match self.lexer.token {
            Token::Mark(b'$') if !constant => {
                self.lexer.advance()?;
                self.name().map(|_| ())
            }
            Token::Number | Token::Text | Token::Name(_) => Ok(self.lexer.advance()?),
            Token::Mark(b'[') => {
                self.lexer.advance()?;
                while !self.take(b']')? {
                    self.value(constant, level + 1)?;
                }
                Ok(())
            }
            Token::Mark(b'{') => {
                self.lexer.advance()?;
                while !self.take(b'}')? {
                    self.name()?;
                    self.expect(b':')?;
                    self.value(constant, level + 1)?;
                }
                Ok(())
            }
            _ => Err(Syntax::Unexpected),
        }
    }

    /// A set of at least one selection; the first of them.
    fn set(&mut self, level: u32) -> Step<Set> {
        if level > DEEPEST {
            return Err(Syntax::TooDeep);
        }
        self.expect(b'{')?;
        let (mut first, mut last) = (NONE, NONE);
        while !self.is(b'}') {
            let what = self.selection(level)?;
            let index = self.document.selections.len() as u32;
            self.document.selections.push(Selection { next: NONE, what });
            match self.document.selections.get_mut(last as usize) {
                Some(before) => before.next = index,
                None => first = index,
            }
            last = index;
        }
        self.lexer.advance()?;
        if first == NONE { Err(Syntax::Unexpected) } else { Ok(first) }
    }

    fn selection(&mut self, level: u32) -> Step<What<'a>> {
        if self.lexer.token != Token::Spread {
            return self.field(level);
        }
        self.lexer.advance()?;
        match self.lexer.token {
            Token::Name("on") => {
                self.lexer.advance()?;
                self.name()?;
            }
            Token::Name(name) => {
                self.lexer.advance()?;
                self.directives(false)?;
                return Ok(What::Spread(name));
            }
            _ => {}
        }
        self.directives(false)?;
        Ok(What::Inline(self.set(level + 1)?))
    }

    fn field(&mut self, level: u32) -> Step<What<'a>> {
        let key = self.name()?;
        let name = if self.take(b':')? { self.name()? } else { key };
        self.arguments(false)?;
        self.directives(false)?;
        let inside = if self.is(b'{') { self.set(level + 1)? } else { NONE };
        Ok(What::Field { key, name, inside })
    }
}
