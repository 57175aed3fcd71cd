//! The words of native contract v1: every JSON shape that crosses the wire, and nothing else.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Most items one page may hold.
pub const MAX_PAGE: u32 = 50;
/// Items on a page when the client does not say.
pub const DEFAULT_PAGE: u32 = 20;
/// Most interactions one call may carry.
pub const MAX_INTERACTIONS: usize = 100;

/// What every failed call answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// Which error it was.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable code in snake_case, for programs.
    pub code: String,
    /// What happened, for people.
    pub detail: String,
}

/// Query of `GET /v1/feed`.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// `for_you`, `following`, `learn`, `non_profiled` or `topic:<id>`.
    #[param(example = "for_you")]
    pub feed: String,
    /// `next_cursor` of the page before; absent for the first page.
    pub cursor: Option<String>,
    /// Most items to answer with, 1 to 50.
    #[param(minimum = 1, maximum = 50, default = 20)]
    pub limit: Option<u32>,
    /// Topics the person's feed has enough of, joined by commas; where there are any, the page holds items of none of them.
    pub enough_of: Option<String>,
    /// Identifier of the item that the first page begins with: a link was opened. One that is unknown is left out; with a
    /// cursor it changes nothing.
    pub first: Option<String>,
}

/// One page of a feed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FeedPage {
    /// Cards in the order to show them.
    pub items: Vec<Item>,
    /// Where the next page starts; null at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
}

/// One card of a feed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Item {
    /// Identifier.
    pub id: String,
    /// What it shows.
    pub asset: Asset,
    /// Who made it.
    pub creator: Creator,
    /// Topic identifiers, most important first.
    pub topics: Vec<String>,
    /// Caption as written by the creator.
    pub caption: String,
    /// Description for people who cannot see the picture.
    pub alt_text: String,
    /// Labels put on it by the backend, such as `reviewed`.
    pub labels: Vec<String>,
    /// Labels its creator put on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub self_labels: Vec<String>,
    /// Labels the backend put on its creator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub creator_labels: Vec<String>,
    /// Tags of the creator's own, without the #, each at most 640 bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Languages of the caption, main one first, as two-letter codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Identifier of the sound it uses; null where it has one of its own.
    #[serde(default)]
    pub sound: Option<String>,
    /// Address of a still picture of it; null where there is none.
    #[serde(default)]
    pub thumbnail: Option<String>,
    /// How the person who asks stands to the creator; absent where nothing is known.
    #[serde(default)]
    pub relation: Relation,
    /// Share of viewers still watching, as `[milliseconds, share]`, ascending in time, shares within 0 and 1.
    pub retention: Vec<(u64, f64)>,
    /// The server's prediction that the person will like it, 0 to 1.
    #[schema(required = true)]
    pub prior: Option<f64>,
    /// Where the server places it among all items; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<ItemVector>,
    /// The series it is part of; absent where it is of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesPart>,
    /// Files of captions, best first; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captions: Vec<CaptionTrack>,
}

/// Where the server places an item among all others. What two people who watch alike tend to watch lies near each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ItemVector {
    /// Which set of vectors this belongs to; those of two sets are never compared.
    pub space: u32,
    /// 1 to 32 finite numbers of the order of one.
    pub values: Vec<f64>,
}

/// The place of an item in a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeriesPart {
    /// Identifier of the series.
    pub id: String,
    /// Number of the part, ascending in the order it is meant to be seen.
    pub part: u32,
}

/// One file of captions of an asset.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CaptionTrack {
    /// Language of its text as a BCP 47 tag, at most 35 characters.
    pub language: String,
    /// Name to show; at most 128 bytes.
    #[serde(default)]
    pub label: String,
    /// Absolute, signed address of a WebVTT or SubRip file, at most 1 MiB.
    pub url: String,
}

/// How a person stands to a creator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Relation {
    /// The person follows the creator.
    pub following: bool,
    /// The person muted the creator.
    pub muted: bool,
    /// The person blocked the creator.
    pub blocking: bool,
    /// The creator blocked the person.
    pub blocked_by: bool,
}

/// One video.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Asset {
    /// Identifier.
    pub id: String,
    /// Length in milliseconds; 0 when unknown.
    pub duration_ms: u64,
    /// Encodings, lowest bit rate first; never empty.
    pub renditions: Vec<Rendition>,
}

/// One encoding of a video.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Rendition {
    /// Identifier within the asset.
    pub id: String,
    /// Picture width in pixels; 0 when unknown.
    pub width: u32,
    /// Picture height in pixels; 0 when unknown.
    pub height: u32,
    /// Average bits per second; 0 when unknown.
    pub bitrate_bps: u64,
    /// How the bytes are packed.
    pub container: Container,
    /// Absolute, signed address.
    pub url: String,
    /// Absolute, signed addresses of the same bytes on other hosts, best first; they expire with `url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<String>,
    /// Size in bytes of what `url` answers; null for HLS, whose playlists differ per viewer.
    #[schema(required = true)]
    pub bytes: Option<u64>,
    /// Milliseconds since 1970 after which `url` no longer answers.
    #[schema(required = true)]
    pub expires_at_ms: Option<i64>,
}

/// How the bytes of a rendition are packed.
///
/// Contract v1 has three words. A folder of foreign videos may hold others (WebM, Matroska, MPEG-TS); they are declared
/// `mp4`, and a client's probe has the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// One progressive MP4.
    Mp4,
    /// One fragmented MP4.
    Fmp4,
    /// An HLS playlist.
    Hls,
}

/// Who made an item.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Creator {
    /// Identifier.
    pub id: String,
    /// Short public name without the @.
    pub handle: String,
    /// Display name.
    pub name: String,
}

/// Answer of `GET /v1/topics`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Topics {
    /// All topics.
    pub topics: Vec<Topic>,
}

/// One topic.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Topic {
    /// Identifier, as used in `topic:<id>`.
    pub id: String,
    /// Title for people.
    pub title: String,
}

/// Body of `POST /v1/labels`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LabelsRequest {
    /// Item identifiers, at most 50.
    pub items: Vec<String>,
}

/// Answer of `POST /v1/labels`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Labels {
    /// Items of which something is said.
    pub items: Vec<LabelledItem>,
}

/// What is said of an item now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LabelledItem {
    /// The item.
    pub id: String,
    /// All labels of the backend on it; they replace those of the feed.
    pub labels: Vec<String>,
    /// All labels of the backend on its creator.
    pub creator_labels: Vec<String>,
    /// It was taken back.
    pub gone: bool,
}

/// Body of `POST /v1/interactions`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InteractionsRequest {
    /// Operations in the order the person made them; at most 100.
    pub interactions: Vec<Interaction>,
}

/// One desired state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Interaction {
    /// Identifier made by the client; a second arrival changes nothing.
    pub op_id: String,
    /// `like`, `follow`, `save`, `interest`, `block`, `report` or `erase`; anything else is rejected.
    pub verb: String,
    /// Item id for `like` and `save`, creator id for `follow` and `block`, topic id for `interest`, installation for `erase`.
    pub target: String,
    /// Whether it should hold from now on.
    pub state: bool,
    /// When the person did it, milliseconds since 1970 by the client's clock.
    pub at_ms: i64,
    /// What the person wrote with a `report`, at most 1,200 bytes; absent where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// Answer of `POST /v1/interactions`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InteractionsResponse {
    /// One result per operation, in order.
    pub results: Vec<InteractionResult>,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InteractionResult {
    /// The operation.
    pub op_id: String,
    /// What became of it.
    pub status: InteractionStatus,
    /// Why it was rejected; null otherwise.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// What became of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InteractionStatus {
    /// Stored now.
    Applied,
    /// Was stored before; nothing changed.
    Duplicate,
    /// Will never be stored; do not send it again.
    Rejected,
}

/// Answer of `GET /v1/reports`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Reports {
    /// By target.
    pub reports: Vec<ReportStatus>,
}

/// A report and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportStatus {
    /// What was reported and why: `<kind>:<identifier>#<class>.<reason>`, with `@<from>-<to>`, milliseconds of the video,
    /// where it names a scene.
    pub target: String,
    /// What was decided, in a word; null until somebody has.
    #[schema(required = true)]
    pub outcome: Option<String>,
    /// What the person wrote with it; null where nothing was.
    #[schema(required = true)]
    pub words: Option<String>,
}

/// Body of `POST /v1/comments`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommentsRequest {
    /// Operations in the order the person made them; at most 100. They are carried out in this order.
    pub operations: Vec<CommentOperation>,
}

/// What a person does with a comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CommentOperation {
    /// Identifier made by the client; a second arrival changes nothing.
    pub op_id: String,
    /// What is done.
    pub deed: CommentDeed,
    /// Identifier of the comment, made by the client.
    pub comment: String,
    /// The item it stands under.
    pub item: String,
    /// The comment it answers; only with `create`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The words, 1 to 2,200 characters; not with `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When the person did it, milliseconds since 1970 by the client's clock.
    pub at_ms: i64,
}

/// What is done with a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommentDeed {
    /// It is written. Rejected as `id_taken`, `parent_gone` or `bad_text`.
    Create,
    /// It gets other words. Rejected as `unknown_comment` or `bad_text`.
    Edit,
    /// It is taken away; one that is not there is gone already.
    Delete,
}

/// Answer of `POST /v1/comments`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CommentsResponse {
    /// One result per operation, in order.
    pub results: Vec<InteractionResult>,
}

/// Body of `POST /v1/payments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentRequest {
    /// Identifier made by the client, the same as the `Idempotency-Key`; money moves once for it.
    pub op_id: String,
    /// What for.
    pub cause: PaymentCause,
    /// Creator or campaign.
    pub recipient: String,
    /// Which gift, or the item it was given on; may be empty.
    pub subject: String,
    /// Coins, or the smallest unit of the currency; at least 1.
    pub amount: u64,
    /// Version of the price list the person saw.
    pub price_version: String,
    /// When the person drafted it, milliseconds since 1970 by the client's clock.
    pub at_ms: i64,
}

/// What money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentCause {
    /// Coins to a creator.
    Gift,
    /// Money to a campaign.
    Donation,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentAnswer {
    /// Where it stands, for good.
    pub state: PaymentState,
    /// Why it was declined; null otherwise.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Coins the actor has now.
    pub coins: i64,
}

/// Where a payment stands, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Carried out.
    Confirmed,
    /// Refused: `insufficient`, `bad_payment`, or `void` for a key that a question has closed.
    Declined,
    /// Not seen before it was asked about, and never carried out. Only as the answer to a question.
    Void,
}

/// Answer of `GET /v1/assets/{asset}/renditions/{rendition}`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FreshUrl {
    /// Absolute, signed address.
    pub url: String,
    /// Absolute, signed addresses of the same bytes on other hosts, best first; they expire with `url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<String>,
    /// Milliseconds since 1970 after which `url` no longer answers.
    pub expires_at_ms: i64,
}

/// Bytes that are not JSON.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Binary(pub Vec<u8>);

/// Answer of `GET /healthz`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
    /// Number of videos served.
    pub assets: usize,
    /// Number of cards in the longest feed.
    pub items: usize,
}
