//! What the page's inspector shows: what the core says of itself, and beside it what the server's books say.

use serde_json::{Value, json};

use super::phone::Phone;
use crate::report::peak_rss_mb;

/// The figures now; `origin` is what the server said last.
pub fn figures(phone: &Phone, origin: &Value) -> Value {
    let mut figures = phone.figures.json();
    let (bytes, by) = (phone.bytes(), phone.bytes().by_purpose);
    for (name, sum) in [
        ("network", bytes.network),
        ("media", bytes.media),
        ("fromCache", bytes.from_cache),
        ("duplicate", bytes.duplicate),
        ("wasted", bytes.wasted),
    ] {
        figures["bytes"][name] = json!(sum);
    }
    for (row, sum) in [by.playback, by.next, by.prefetch, by.offline, by.probe].into_iter().enumerate() {
        let row = &mut figures["bytes"]["purposes"][row];
        for (name, sum) in [
            ("network", sum.network),
            ("fromCache", sum.from_cache),
            ("duplicate", sum.duplicate),
            ("wasted", sum.wasted),
        ] {
            row[name] = json!(sum);
        }
    }
    figures["watchedMs"] = json!(phone.watched_ms());
    figures["engine"] = phone.engine();
    figures["network"] = phone.network();
    figures["rssMb"] = json!(peak_rss_mb());
    figures["client"] = json!(phone.client);
    figures["origin"] = origin.clone();
    figures
}
