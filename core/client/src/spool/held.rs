//! Records as a person may read them.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use rusqlite::{Transaction, params};
use serde_json::{Map, Value, json};

/// Records after a number.
pub(super) fn page(tx: &Transaction<'_>, after: u64, most: usize) -> rusqlite::Result<Vec<(u64, Value)>> {
    let mut statement = tx.prepare_cached(
        "SELECT seq, at_ms, body, 0 FROM event WHERE seq > ?1
         UNION ALL SELECT seq, NULL, body, 1 FROM quarantine WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let rows = statement.query_map(params![after as i64, most as i64], |row| {
        let (seq, body): (i64, Vec<u8>) = (row.get(0)?, row.get(2)?);
        let (at_ms, refused): (Option<i64>, bool) = (row.get(1)?, row.get(3)?);
        Ok((seq as u64, record(seq, at_ms, refused, &body)))
    })?;
    rows.collect()
}

fn record(seq: i64, at_ms: Option<i64>, refused: bool, body: &[u8]) -> Value {
    let mut attributes = Map::new();
    let record = LogRecord::decode(body).unwrap_or_else(|_| {
        // It is held, so it is given, even where it says nothing to anybody.
        attributes.insert(
            "unreadable".into(),
            body.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        );
        LogRecord { event_name: "unspool.unreadable".into(), ..LogRecord::default() }
    });
    for pair in record.attributes {
        let value = pair.value.and_then(|value| value.value);
        let value = match value {
            Some(Any::StringValue(text)) => Value::String(text),
            Some(Any::BoolValue(yes)) => Value::Bool(yes),
            Some(Any::IntValue(number)) => Value::from(number),
            Some(Any::DoubleValue(number)) => Value::from(number),
            _ => Value::Null,
        };
        attributes.insert(pair.key, value);
    }
    json!({"number": seq, "at_ms": at_ms, "name": record.event_name, "refused": refused, "attributes": attributes})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_cannot_be_read_is_given_as_it_is() {
        let given = record(3, None, true, &[0xff, 0x00, 0x1a]);
        assert_eq!(given["attributes"], json!({"unreadable": "ff001a"}));
        assert_eq!(given["name"], "unspool.unreadable");
        assert_eq!((&given["number"], &given["refused"]), (&json!(3), &json!(true)));
    }
}
