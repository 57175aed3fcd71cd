//! Rows of a database as JSON, a page at a time.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ToSql};
use serde_json::{Map, Value};

/// Entries of a page. A row is some kilobytes at most but for a saved feed of a megabyte, of which there are few.
pub(crate) const PAGE: usize = 64;

/// A statement whose columns name the members of an object: `json:x` holds JSON, `bool:x` a truth, else it is as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query(pub &'static str);

impl Query {
    /// The page that begins at entry `from`.
    pub(crate) fn page(
        self,
        db: &Connection,
        given: &[&dyn ToSql],
        from: usize,
    ) -> rusqlite::Result<Vec<Value>> {
        let mut statement = db.prepare_cached(&format!("{} LIMIT {PAGE} OFFSET {from}", self.0))?;
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query(given)?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let mut object = Map::new();
            for (at, name) in names.iter().enumerate() {
                let value = row.get_ref(at)?;
                let (kind, name) = name.split_once(':').unwrap_or(("", name));
                object.insert(name.to_owned(), read(kind, value));
            }
            page.push(Value::Object(object));
        }
        Ok(page)
    }
}

fn read(kind: &str, value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) if kind == "bool" => Value::Bool(number != 0),
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => Value::from(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            let text = String::from_utf8_lossy(text);
            match kind {
                "json" => serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned())),
                _ => Value::String(text.into_owned()),
            }
        }
    }
}
