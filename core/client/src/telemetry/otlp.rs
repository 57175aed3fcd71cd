//! Events in the OpenTelemetry protocol: what a row holds, and how rows become a request.
//!
//! A row holds one encoded `LogRecord`. In protobuf a repeated field is its elements one after the other, so the rows
//! of a batch are joined into a `ScopeLogs` without decoding any, and a number is appended to a record that is already
//! encoded. Identity is (installation, seq): observed time, severity and a uuid per event would add 40 % to a
//! compressed batch and say nothing more.

use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::spool::{Event, Joined, Value};

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

// Field numbers of `KeyValue`, `AnyValue` and `LogRecord`.
const PAIR_KEY: u32 = 1;
const PAIR_VALUE: u32 = 2;
const ANY_STRING: u32 = 1;
const ANY_BOOL: u32 = 2;
const ANY_INT: u32 = 3;
const ANY_DOUBLE: u32 = 4;
const RECORD_TIME: u32 = 1;
const RECORD_EVENT_NAME: u32 = 12;

/// An event as a `LogRecord` without its number. Written field by field: the library's own types want a copy of every
/// key and text, which cost more than the rest of recording. A test holds it to what the library reads.
pub(crate) fn encode_record(event: &Event) -> Vec<u8> {
    let texts: usize = event.attributes.iter().map(|(key, value)| key.len() + 14 + value.text_len()).sum();
    let mut out = Vec::with_capacity(texts + event.session.len() + event.name.len() + 48);
    let nanos = u64::try_from(event.wall_ms).unwrap_or(0).saturating_mul(NANOS_PER_MS);
    if nanos != 0 {
        encode_key(RECORD_TIME, WireType::SixtyFourBit, &mut out);
        out.extend_from_slice(&nanos.to_le_bytes());
    }
    append_text(&mut out, "session", &event.session);
    for (key, value) in &event.attributes {
        match value {
            Value::Str(text) => append_text(&mut out, key, text),
            Value::Int(number) => append_int(&mut out, key, *number),
            Value::Float(number) => append_pair(&mut out, key, 9, |out| {
                encode_key(ANY_DOUBLE, WireType::SixtyFourBit, out);
                out.extend_from_slice(&number.to_le_bytes());
            }),
            Value::Bool(yes) => append_pair(&mut out, key, 2, |out| {
                encode_key(ANY_BOOL, WireType::Varint, out);
                encode_varint(u64::from(*yes), out);
            }),
        }
    }
    append_field(&mut out, RECORD_EVENT_NAME, event.name.as_bytes());
    out
}

fn append_text(out: &mut Vec<u8>, key: &str, text: &str) {
    let len = 1 + encoded_len_varint(text.len() as u64) + text.len();
    append_pair(out, key, len, |out| append_field(out, ANY_STRING, text.as_bytes()));
}

fn append_int(out: &mut Vec<u8>, key: &str, number: i64) {
    append_pair(out, key, 1 + encoded_len_varint(number as u64), |out| {
        encode_key(ANY_INT, WireType::Varint, out);
        encode_varint(number as u64, out);
    });
}

/// One attribute of a record, whose `AnyValue` is `len` bytes that `value` writes.
fn append_pair(out: &mut Vec<u8>, key: &str, len: usize, value: impl FnOnce(&mut Vec<u8>)) {
    let key_len = 1 + encoded_len_varint(key.len() as u64) + key.len();
    let pair_len = key_len + 1 + encoded_len_varint(len as u64) + len;
    encode_key(RECORD_ATTRIBUTES, WireType::LengthDelimited, out);
    encode_varint(pair_len as u64, out);
    append_field(out, PAIR_KEY, key.as_bytes());
    encode_key(PAIR_VALUE, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
    value(out);
}

/// Gives an encoded record its number.
pub(crate) fn append_seq(record: &mut Vec<u8>, seq: u64) {
    append_int(record, "seq", i64::try_from(seq).unwrap_or(i64::MAX));
}

/// Puts an encoded record behind the others of a `ScopeLogs`.
pub(crate) fn append_record(records: &mut Vec<u8>, record: &[u8]) {
    append_field(records, SCOPE_RECORDS, record);
}

/// The number in an encoded record, if it is one.
pub(crate) fn number_of(record: &[u8]) -> Option<u64> {
    let record = LogRecord::decode(record).ok()?;
    let seq = record.attributes.iter().rev().find(|pair| pair.key == "seq")?;
    match seq.value.as_ref()?.value.as_ref()? {
        any_value::Value::IntValue(seq) => u64::try_from(*seq).ok(),
        _ => None,
    }
}

/// The event name in an encoded record, if it is one.
pub(crate) fn name_of(record: &[u8]) -> Option<String> {
    LogRecord::decode(record).ok().map(|record| record.event_name)
}

fn append_field(out: &mut Vec<u8>, field: u32, body: &[u8]) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(body.len() as u64, out);
    out.extend_from_slice(body);
}

fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

/// An `ExportLogsServiceRequest` with the records of a batch.
///
/// The resource names the batch and carries the books as they stood when it was read: recorded = delivered + queued +
/// dropped + quarantined, the rows of this batch among the queued. A collector can tell a gap that was counted from one
/// that was not.
#[must_use]
pub(crate) fn encode_request(joined: &Joined, version: &str) -> Vec<u8> {
    let Joined { batch, counters, queued, records } = joined;
    let dropped = counters.dropped;
    // Salvaged rows keep the name of the file they were recorded in.
    let installation = batch.id.split('/').next().unwrap_or_default();
    let mut attributes = vec![
        text("service.name", "unspool"),
        text("service.version", version),
        text("unspool.installation", installation),
        text("unspool.batch.id", &batch.id),
        int("unspool.recorded", counters.recorded),
        int("unspool.delivered", counters.delivered),
        int("unspool.queued", *queued),
        int("unspool.dropped", dropped.total()),
    ];
    let reasons = dropped.reasons();
    let reasons = reasons.iter().map(|(reason, n)| (format!("unspool.dropped.{reason}"), *n));
    let reasons = reasons.chain([("unspool.quarantined".to_owned(), counters.quarantined)]);
    attributes.extend(reasons.filter(|(_, n)| *n > 0).map(|(key, n)| int(&key, n)));
    let resource = Resource { attributes, ..Resource::default() }.encode_to_vec();
    let scope = InstrumentationScope { name: "unspool".to_owned(), ..InstrumentationScope::default() };
    let scope = ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }.encode_to_vec();

    let scope_logs = scope.len() + records.len();
    let resource_logs = field_len(resource.len()) + field_len(scope_logs);
    let mut request = Vec::with_capacity(field_len(resource_logs));
    encode_key(REQUEST_RESOURCE_LOGS, WireType::LengthDelimited, &mut request);
    encode_varint(resource_logs as u64, &mut request);
    append_field(&mut request, RESOURCE_LOGS_RESOURCE, &resource);
    encode_key(RESOURCE_LOGS_SCOPE_LOGS, WireType::LengthDelimited, &mut request);
    encode_varint(scope_logs as u64, &mut request);
    request.extend_from_slice(&scope);
    request.extend_from_slice(records);
    request
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;

    use super::*;
    use crate::spool::{Class, Counters, OpenBatch};

    fn event() -> Event {
        Event {
            name: "unspool.impression".into(),
            wall_ms: 1_700_000_000_123,
            session: "s".into(),
            class: Class::B,
            attributes: vec![
                ("item".into(), "i".repeat(300).into()),
                ("share".into(), 0.5.into()),
                ("yes".into(), true.into()),
                ("no".into(), false.into()),
                ("none".into(), 0_i64.into()),
                ("less".into(), (-1_i64).into()),
                ("empty".into(), "".into()),
            ],
        }
    }

    #[test]
    fn a_record_is_what_the_library_would_write() {
        let value = |value: &Value| match value {
            Value::Str(text) => any_value::Value::StringValue(text.clone()),
            Value::Int(number) => any_value::Value::IntValue(*number),
            Value::Float(number) => any_value::Value::DoubleValue(*number),
            Value::Bool(yes) => any_value::Value::BoolValue(*yes),
        };
        let event = event();
        let mut attributes = vec![text("session", "s")];
        attributes.extend(event.attributes.iter().map(|(key, of)| attribute(key, value(of))));
        let expected = LogRecord {
            time_unix_nano: 1_700_000_000_123_000_000,
            event_name: event.name.clone(),
            attributes,
            ..LogRecord::default()
        };
        assert_eq!(encode_record(&event), expected.encode_to_vec());
    }

    #[test]
    fn joined_rows_decode_as_one_request() {
        let mut records = Vec::new();
        for seq in 1..=3 {
            let mut record = encode_record(&event());
            append_seq(&mut record, seq);
            assert_eq!(number_of(&record), Some(seq));
            assert_eq!(name_of(&record).as_deref(), Some("unspool.impression"));
            append_record(&mut records, &record);
        }
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
        let counters = Counters { recorded: 4, delivered: 1, ..Counters::default() };
        let request = encode_request(&Joined { batch, counters, queued: 3, records }, "1.2.3");
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
