//! Everything the inspector shows, in one value: what the core says of itself beside what the server's books say of it.

use serde_json::{Value, json};
use unspool::{OutboundRequest, Traffic};

use super::person;
use super::phone::Phone;
use crate::report::peak_rss_mb;

/// Requests listed, newest first.
const LISTED: u64 = 40;

/// The figures now; `origin` is what the server said last.
pub fn figures(phone: &Phone, origin: &Value) -> Value {
    let session = &phone.session();
    let (bytes, out) = (phone.bytes(), session.outgoing());
    let estimate = phone.feed().map_or(0, |feed| feed.snapshot().throughput_bps);
    let by = bytes.by_purpose;
    let account = |name: &str, traffic: Traffic| {
        json!({
            "purpose": name,
            "network": traffic.network,
            "fromCache": traffic.from_cache,
            "duplicate": traffic.duplicate,
            "wasted": traffic.wasted,
        })
    };
    let last = session.outbound_after(u64::MAX).last;
    let listed = session.outbound_after(last.saturating_sub(LISTED));
    json!({
        "engine": phone.engine(),
        "estimateBps": estimate,
        "network": phone.network(),
        "bytes": {
            "network": bytes.network,
            "media": bytes.media,
            "fromCache": bytes.from_cache,
            "duplicate": bytes.duplicate,
            "wasted": bytes.wasted,
            "onDisk": bytes.on_disk,
            "purposes": [
                account("playback", by.playback),
                account("next", by.next),
                account("prefetch", by.prefetch),
                account("offline", by.offline),
                account("probe", by.probe),
            ],
        },
        "requests": phone.requests(),
        "outbound": listed.requests.iter().rev().map(request).collect::<Vec<_>>(),
        "out": {
            "recorded": out.recorded,
            "delivered": out.delivered,
            "queued": out.queued,
            "dropped": out.dropped,
            "quarantined": out.quarantined,
            "intents": out.intents,
            "intentsDelivered": out.intents_delivered,
            "intentsQueued": out.intents_queued,
            "intentsWedged": out.intents_wedged,
            "intentsSettled": out.intents_settled,
        },
        "watchedMs": phone.watched_ms(),
        "story": phone.story.figures(),
        "rssMb": peak_rss_mb(),
        "rules": session.rules_version(),
        "time": person::time(session),
        "learner": person::learnt(session),
        "loop": person::circles(phone.feed().ok().as_ref()),
        "client": phone.client,
        "installation": session.installation(),
        "origin": origin,
    })
}

fn request(request: &OutboundRequest) -> Value {
    json!({
        "n": request.number,
        "at": request.at_ms,
        "host": request.host,
        "purpose": request.purpose.name(),
        "sent": request.sent,
        "received": request.received,
        "status": request.status,
        "ms": request.took_ms,
    })
}
