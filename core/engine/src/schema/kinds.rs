//! The kinds of events. A table and nothing else; the rules are in the module above.

use super::Kind::{Count, Flag, Number, Text, Word};
use super::Privacy::{Behaviour, Content, Technical, Written};
use super::Purpose::{Measurement, Personalisation, Quality, Service};
use super::Worth::{B, C};
use super::{Attribute, Kind, Privacy, Schema};

/// One viewing of one item.
pub const IMPRESSION: &str = "unspool.impression";

/// Longest identifier of content, in bytes: four times what backends use.
const ID: Kind = Text(128);

const fn must(key: &'static str, kind: Kind, privacy: Privacy) -> Attribute {
    Attribute { key, kind, privacy, required: true }
}

const fn may(key: &'static str, kind: Kind, privacy: Privacy) -> Attribute {
    Attribute { key, kind, privacy, required: false }
}

const ITEM: Attribute = must("item", ID, Content);
const CREATOR: Attribute = must("creator", ID, Content);
const POSITION: Attribute = may("position", Count, Behaviour);
const REASON: Attribute = may("reason", Text(128), Content);
const STATE: Attribute = must("state", Flag, Behaviour);

const EXITS: Kind = Word(&[
    "open",
    "swipe_next",
    "swipe_back",
    "comments",
    "profile",
    "share",
    "background",
    "killed",
    "end",
    "loop_break",
    "shutdown",
    "failed",
]);
const NETWORKS: Kind = Word(&["offline", "metered", "unmetered", "roaming"]);

const SHARED: &[Attribute] = &[
    ITEM,
    POSITION,
    must(
        "target",
        Word(&["copy_link", "message", "post", "email", "save_file", "embed", "system", "other"]),
        Behaviour,
    ),
];

/// Every kind of event.
pub const ALL: &[Schema] = &[
    Schema {
        name: IMPRESSION,
        purpose: Measurement,
        worth: B,
        attributes: &[
            must("impression", Text(96), Technical),
            ITEM,
            must("asset", ID, Content),
            may("rendition", ID, Technical),
            POSITION,
            REASON,
            must("shown_ms", Count, Behaviour),
            must("active_ms", Count, Behaviour),
            may("paused_ms", Count, Behaviour),
            may("progress_ms", Count, Behaviour),
            may("duration_ms", Count, Content),
            may("loops", Count, Behaviour),
            may("seeks", Count, Behaviour),
            may("muted", Flag, Behaviour),
            may("rate", Number, Behaviour),
            may("stalls", Count, Technical),
            may("stall_ms", Count, Technical),
            may("online", Flag, Technical),
            may("network", NETWORKS, Technical),
            may("first_frame_ms", Number, Technical),
            may("start_class", Word(&["prerolled", "cached", "cold"]), Technical),
            // "kind@ms" joined by commas, at most 32.
            may("taps", Text(768), Behaviour),
            may("taps_missed", Count, Behaviour),
            may("policy", Text(32), Technical),
            may("ranking", Text(64), Technical),
            may("exit", EXITS, Behaviour),
        ],
    },
    Schema {
        name: "unspool.like",
        purpose: Personalisation,
        worth: B,
        attributes: &[ITEM, STATE, POSITION, may("double_tap", Flag, Behaviour)],
    },
    Schema {
        name: "unspool.follow",
        purpose: Personalisation,
        worth: B,
        attributes: &[CREATOR, STATE, may("item", ID, Content)],
    },
    Schema { name: "unspool.share", purpose: Personalisation, worth: B, attributes: SHARED },
    Schema {
        name: "unspool.comment",
        purpose: Personalisation,
        worth: B,
        // The words themselves travel with the intent, never with telemetry.
        attributes: &[
            ITEM,
            must("action", Word(&["open", "write", "reply", "like", "delete", "close"]), Behaviour),
            may("length", Count, Behaviour),
            may("open_ms", Count, Behaviour),
        ],
    },
    Schema { name: "unspool.save", purpose: Personalisation, worth: B, attributes: &[ITEM, STATE, POSITION] },
    Schema {
        name: "unspool.not_interested",
        purpose: Personalisation,
        worth: B,
        attributes: &[
            ITEM,
            must("about", Word(&["item", "creator", "topic", "sound"]), Behaviour),
            may("topic", ID, Content),
            POSITION,
        ],
    },
    Schema {
        name: "unspool.hide",
        purpose: Personalisation,
        worth: B,
        attributes: &[ITEM, may("rule", Text(64), Technical), POSITION],
    },
    Schema {
        name: "unspool.report",
        purpose: Service,
        worth: B,
        attributes: &[
            must("subject", ID, Content),
            must("about", Word(&["item", "creator", "comment", "sound"]), Behaviour),
            must("category", Text(64), Behaviour),
        ],
    },
    Schema {
        name: "unspool.search",
        purpose: Personalisation,
        worth: B,
        attributes: &[
            must("query", Text(256), Written),
            may("results", Count, Technical),
            may("picked", Count, Behaviour),
            may("took_ms", Count, Technical),
        ],
    },
    Schema {
        name: "unspool.creation",
        purpose: Measurement,
        worth: B,
        attributes: &[
            must("draft", ID, Content),
            must(
                "step",
                Word(&[
                    "start", "record", "import", "edit", "sound", "caption", "save", "upload", "publish",
                    "discard",
                ]),
                Behaviour,
            ),
            may("duration_ms", Count, Content),
            may("bytes", Count, Technical),
        ],
    },
    Schema {
        name: "unspool.gift",
        purpose: Service,
        worth: B,
        attributes: &[
            must("gift", ID, Content),
            CREATOR,
            must("coins", Count, Behaviour),
            may("item", ID, Content),
            must(
                "state",
                Word(&["opened", "sent", "confirmed", "declined", "unknown", "cancelled"]),
                Behaviour,
            ),
        ],
    },
    Schema {
        name: "unspool.donation",
        purpose: Service,
        worth: B,
        attributes: &[
            must("campaign", ID, Content),
            must("minor_units", Count, Behaviour),
            must("currency", Text(3), Technical),
            must(
                "state",
                Word(&["opened", "sent", "confirmed", "declined", "unknown", "cancelled"]),
                Behaviour,
            ),
        ],
    },
    Schema {
        name: "unspool.wellbeing",
        purpose: Service,
        worth: B,
        attributes: &[
            must("prompt", Word(&["remind", "pause", "stop", "loop_break", "bedtime"]), Technical),
            must("answer", Word(&["shown", "took_break", "continued", "changed_limit", "ended"]), Behaviour),
            may("watched_ms", Count, Behaviour),
        ],
    },
    Schema {
        name: "unspool.playback",
        purpose: Quality,
        worth: C,
        attributes: &[
            must("impression", Text(96), Technical),
            must("outcome", Word(&["played", "failed", "abandoned"]), Technical),
            may("rendition", ID, Technical),
            may("start_class", Word(&["prerolled", "cached", "cold"]), Technical),
            may("first_frame_ms", Number, Technical),
            may("stalls", Count, Technical),
            may("stall_ms", Count, Technical),
            may("network", NETWORKS, Technical),
            may("error", Text(128), Technical),
        ],
    },
    Schema {
        name: "unspool.progress",
        purpose: Quality,
        worth: C,
        attributes: &[
            must("impression", Text(96), Technical),
            must("progress_ms", Count, Behaviour),
            must("active_ms", Count, Behaviour),
        ],
    },
];
