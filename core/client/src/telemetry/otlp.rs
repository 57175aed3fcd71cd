//! Events in the OpenTelemetry protocol: what a row holds, and how rows become a request.
//!
//! A row holds one encoded `LogRecord`. In protobuf a repeated field is its elements one after the other, so the rows
//! of a batch are joined into a `ScopeLogs` without decoding any, and a number is appended to a record that is already
//! encoded. Identity is (installation, seq): observed time, severity and a uuid per event would add 40 % to a
//! compressed batch and say nothing more.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::spool::{Event, Level, Loaded, Value};

const NANOS_PER_MS: u64 = 1_000_000;

// Field numbers of opentelemetry-proto 1.x, which never change.
const RECORD_ATTRIBUTES: u32 = 6;
const SCOPE_RECORDS: u32 = 2;
const RESOURCE_LOGS_RESOURCE: u32 = 1;
const RESOURCE_LOGS_SCOPE_LOGS: u32 = 2;
const REQUEST_RESOURCE_LOGS: u32 = 1;

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn int(key: &str, number: u64) -> KeyValue {
    attribute(key, any_value::Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn text(key: &str, text: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(text.to_owned()))
}

/// An event as a `LogRecord` without its number.
pub(crate) fn encode_record(event: &Event) -> Vec<u8> {
    let mut attributes = Vec::with_capacity(event.attributes.len() + 1);
    attributes.push(text("session", &event.session));
    for (key, value) in &event.attributes {
        let value = match value {
            Value::Str(text) => any_value::Value::StringValue(text.clone()),
            Value::Int(number) => any_value::Value::IntValue(*number),
            Value::Float(number) => any_value::Value::DoubleValue(*number),
            Value::Bool(yes) => any_value::Value::BoolValue(*yes),
        };
        attributes.push(attribute(key, value));
    }
    let record = LogRecord {
        time_unix_nano: u64::try_from(event.wall_ms).unwrap_or(0).saturating_mul(NANOS_PER_MS),
        event_name: event.name.clone(),
        attributes,
        ..LogRecord::default()
    };
    record.encode_to_vec()
}

/// Gives an encoded record its number.
pub(crate) fn append_seq(record: &mut Vec<u8>, seq: u64) {
    append_field(record, RECORD_ATTRIBUTES, &int("seq", seq).encode_to_vec());
}

fn append_field(out: &mut Vec<u8>, field: u32, body: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(body.len() as u64, out);
    out.extend_from_slice(body);
}

/// An `ExportLogsServiceRequest` with the records of a batch.
///
/// The resource names the batch and carries the books, so that a collector can tell a gap that was counted from one
/// that was not.
#[must_use]
pub(crate) fn encode_request(loaded: &Loaded, level: &Level, version: &str) -> Vec<u8> {
    let dropped = level.counters.dropped;
    let mut attributes = vec![
        text("service.name", "unspool"),
        text("service.version", version),
        text("unspool.installation", &level.installation),
        text("unspool.batch.id", &loaded.batch.id),
        int("unspool.recorded", level.counters.recorded),
        int("unspool.dropped", dropped.total()),
    ];
    let reasons = [
        ("unspool.dropped.size_limit", dropped.size_limit),
        ("unspool.dropped.age_limit", dropped.age_limit),
        ("unspool.dropped.write_failed", dropped.write_failed),
        ("unspool.dropped.refused", dropped.refused),
        ("unspool.quarantined", level.counters.quarantined),
    ];
    attributes.extend(reasons.into_iter().filter(|(_, n)| *n > 0).map(|(key, n)| int(key, n)));
    let resource = Resource { attributes, ..Resource::default() }.encode_to_vec();

    let scope = InstrumentationScope { name: "unspool".to_owned(), ..InstrumentationScope::default() };
    let size: usize = loaded.records.iter().map(|record| record.len() + 4).sum();
    let mut scope_logs = Vec::with_capacity(size + 32);
    scope_logs.extend(ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }.encode_to_vec());
    for record in &loaded.records {
        append_field(&mut scope_logs, SCOPE_RECORDS, record);
    }

    let mut resource_logs = Vec::with_capacity(scope_logs.len() + resource.len() + 16);
    append_field(&mut resource_logs, RESOURCE_LOGS_RESOURCE, &resource);
    append_field(&mut resource_logs, RESOURCE_LOGS_SCOPE_LOGS, &scope_logs);
    let mut request = Vec::with_capacity(resource_logs.len() + 8);
    append_field(&mut request, REQUEST_RESOURCE_LOGS, &resource_logs);
    request
}

/// Compresses a body with the fastest level: the phone is playing video, and a batch of repeated keys packs well anyway.
pub(crate) fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;

    use super::*;
    use crate::spool::{Class, Counters, OpenBatch};

    #[test]
    fn joined_rows_decode_as_one_request() {
        let records: Vec<Vec<u8>> = (1..=3)
            .map(|seq| {
                let event = Event {
                    name: "unspool.impression".into(),
                    wall_ms: 1_700_000_000_123,
                    session: "s".into(),
                    class: Class::B,
                    attributes: vec![("item".into(), "i".into()), ("share".into(), 0.5.into())],
                };
                let mut record = encode_record(&event);
                append_seq(&mut record, seq);
                record
            })
            .collect();
        let batch = OpenBatch {
            key: 1,
            id: "inst/1".into(),
            first: 1,
            last: 3,
            rows: 3,
            bytes: 0,
            tries: 0,
            plain: false,
            next_at_ms: 0,
        };
        let level = Level {
            installation: "inst".into(),
            counters: Counters { recorded: 3, ..Counters::default() },
            queued_rows: 3,
            queued_bytes: 0,
            unclaimed_rows: 0,
            unclaimed_bytes: 0,
            replaced: 0,
        };
        let request = encode_request(&Loaded { batch, records }, &level, "1.2.3");
        let decoded = ExportLogsServiceRequest::decode(request.as_slice()).unwrap();
        assert_eq!(
            decoded.encoded_len(),
            request.len(),
            "the join is as long as what the library would write"
        );
        let logs = &decoded.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(logs.len(), 3);
        assert_eq!(logs[2].time_unix_nano, 1_700_000_000_123_000_000);
        assert_eq!(logs[2].attributes.last(), Some(&int("seq", 3)));
        assert_eq!(logs[0].event_name, "unspool.impression");
    }
}
