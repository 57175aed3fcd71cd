//! What the page's inspector shows: what the core says of itself, and beside it what the server's books say.

use serde_json::{Value, json};

use super::phone::Phone;
use crate::report::peak_rss_mb;

/// The figures now; `origin` is what the server said last.
pub fn figures(phone: &Phone, origin: &Value) -> Value {
    let mut figures = phone.figures.json();
    figures["network"] = phone.network();
    figures["rssMb"] = json!(peak_rss_mb());
    figures["client"] = json!(phone.client);
    figures["origin"] = origin.clone();
    figures
}
