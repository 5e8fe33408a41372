//! The body of a request: whether it has to be there, its media type, and its schema.

use crate::checks::{flag, schema, text, Fault};
use crate::schema::Schema;
use crate::strict_json::{read, Json};

pub struct Body {
    pub required: bool,
    types: Vec<MediaType>,
}

struct MediaType {
    /// In small letters; may end in `/*`, or be `*/*`.
    name: String,
    schema: Option<Schema>,
}

/// What the headers of a request say of its body.
pub enum Found<'a> {
    /// There is nothing to check.
    Passes,
    Unsupported(String),
    Checked(&'a Schema),
}

impl Body {
    pub fn read(value: Json) -> Option<Body> {
        let types = value.member("types")?.items().map(|item| {
            let schema = match item.member("schema") {
                Some(given) => Some(schema(given)?),
                None => None,
            };
            Some(MediaType { name: text(item, "type")?.to_ascii_lowercase(), schema })
        });
        Some(Body { required: flag(value, "required"), types: types.collect::<Option<Vec<_>>>()? })
    }

    pub fn has_types(&self) -> bool {
        !self.types.is_empty()
    }

    /// The most specific of the definition's media types decides.
    pub fn of_type(&self, content_type: &str) -> Found<'_> {
        let given = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let fits = |item: &&MediaType, wide: bool| match item.name.strip_suffix("/*") {
            Some("*") => wide,
            Some(kind) => wide && given.split('/').next() == Some(kind),
            None => !wide && item.name == given,
        };
        let chosen = self.types.iter().find(|item| fits(item, false)).or_else(|| self.types.iter().find(|item| fits(item, true)));
        match chosen {
            None => Found::Unsupported(self.types.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", ")),
            Some(item) => item.schema.as_ref().map_or(Found::Passes, Found::Checked),
        }
    }
}

pub fn fault(schema: &Schema, body: &[u8]) -> Option<Fault> {
    let said = match read(body) {
        Ok(value) => schema.fault(value, "$"),
        Err(fault) => Some(fault.trim_end_matches('.').to_owned()),
    };
    said.map(|text| Fault::new("body", "", text))
}
