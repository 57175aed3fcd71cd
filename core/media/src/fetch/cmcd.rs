//! What a request tells the server of the playback it serves: Common Media Client Data, version 1 (CTA-5004).
//!
//! Off unless configured. It names the asset and a session number that is drawn when the layer opens, never a person.
//! Encoding follows the standard: keys in alphabetical order, text in quotes, a true key without its value, a false one not
//! at all, numbers rounded as the key asks for, the version and a playback rate of 1 left out. `rtp`, the most that a server
//! should give, is never said: what comes faster is kept for later here, so there is no such number.

use std::fmt::Write;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use unspool_engine::{Container, MediaInfo, MediaKey, Span};
use url::Url;

/// How client data travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmcd {
    /// In the four `CMCD-` headers. Leaves addresses, and so signatures and caches, as they are.
    Headers,
    /// In the query argument `CMCD`. For servers that log addresses only; a signature must not cover the query then.
    Query,
}

/// Longest text of a value, from the standard.
const TEXT_CHARS: usize = 64;

/// What kind of object is asked for (`ot`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A playlist.
    Manifest,
    /// Bytes of the media file.
    Media,
}

/// What is known of a rendition and of its playback when a request leaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    pub container: Option<Container>,
    pub bitrate_bps: u64,
    pub top_bitrate_bps: u64,
    pub info: Option<Arc<MediaInfo>>,
    pub playback: Option<Playback>,
    /// Milliseconds that play from the playhead without another byte.
    pub buffered_ms: Option<u64>,
}

/// How a rendition is being played, as its player last said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playback {
    /// Media time of the picture that is shown, in milliseconds.
    pub playhead_ms: u64,
    /// Speed: 1.0 as recorded, 0.0 while it stands still.
    pub rate: f64,
    /// Whether it stands still for want of bytes.
    pub starved: bool,
}

/// The keys of the standard, as they are encoded. Empty ones are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Data {
    pub br: Option<u64>,
    pub bl: Option<u64>,
    pub bs: bool,
    pub cid: Option<String>,
    pub d: Option<u64>,
    pub dl: Option<u64>,
    pub mtp: Option<u64>,
    pub nor: Option<String>,
    pub nrr: Option<String>,
    pub ot: Option<&'static str>,
    pub pr: Option<f64>,
    pub rtp: Option<u64>,
    pub sf: Option<&'static str>,
    pub sid: Option<String>,
    pub st: Option<&'static str>,
    pub su: bool,
    pub tb: Option<u64>,
}

/// One key with its header and its encoded value.
struct Pair(&'static str, Header, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Header {
    Object,
    Request,
    Session,
    Status,
}

impl Data {
    /// What one request says. `measured_kbps` is the line's throughput, `next` the range asked for after this one.
    pub(crate) fn of(
        key: &MediaKey,
        object: Object,
        about: &About,
        session: &str,
        measured_kbps: Option<u64>,
        next: Option<Span>,
        waited_for: bool,
    ) -> Data {
        let media = object == Object::Media;
        let known = |bps: u64| (media && bps > 0).then_some(bps.div_ceil(1000));
        let info = about.info.as_ref().filter(|_| media);
        let playing = about.playback.filter(|_| media && waited_for);
        let rate = playing.map(|playback| playback.rate).filter(|rate| *rate > 0.0);
        let buffered = about.buffered_ms.filter(|_| playing.is_some());
        let starved = playing.is_some_and(|playback| playback.starved);
        Data {
            br: known(about.bitrate_bps),
            tb: known(about.top_bitrate_bps),
            bl: buffered.map(|ms| nearest(ms, 100)),
            bs: starved,
            cid: Some(key.parts().0.to_owned()),
            d: info.map(|info| info.duration_ms),
            dl: buffered.zip(rate).map(|(ms, rate)| nearest((ms as f64 / rate) as u64, 100)),
            mtp: measured_kbps.map(|kbps| nearest(kbps, 100)),
            nor: None,
            nrr: next.filter(|next| !next.is_empty()).map(|next| format!("{}-{}", next.start, next.end - 1)),
            ot: match (object, info.map(|info| (info.video.is_some(), info.audio.is_some()))) {
                (Object::Manifest, _) => Some("m"),
                (Object::Media, Some((true, true))) => Some("av"),
                (Object::Media, Some((true, false))) => Some("v"),
                (Object::Media, Some((false, true))) => Some("a"),
                (Object::Media, _) => None,
            },
            pr: rate,
            rtp: None,
            sf: about.container.map(|container| if container == Container::Hls { "h" } else { "o" }),
            sid: Some(session.to_owned()),
            st: Some("v"),
            // Somebody waits and has seen nothing yet, or nothing more.
            su: waited_for && (starved || buffered.unwrap_or(0) == 0),
        }
    }

    /// Says which file is likely asked for after this one, where nothing more of this one is. Without its query, which
    /// may hold a signature.
    pub(crate) fn set_next(&mut self, here: &Url, mut next: Url) {
        next.set_query(None);
        next.set_fragment(None);
        self.nrr = None;
        self.nor = here.make_relative(&next).map(|path| escaped(&path)).filter(|path| !path.is_empty());
    }

    /// Every pair in alphabetical order.
    fn pairs(&self) -> Vec<Pair> {
        let mut pairs = Vec::new();
        let mut number = |name, header, value: Option<u64>| {
            pairs.extend(value.map(|value| Pair(name, header, format!("{name}={value}"))));
        };
        number("bl", Header::Request, self.bl);
        number("br", Header::Object, self.br);
        number("d", Header::Object, self.d);
        number("dl", Header::Request, self.dl);
        number("mtp", Header::Request, self.mtp);
        number("rtp", Header::Status, self.rtp);
        number("tb", Header::Object, self.tb);
        for (name, header, value) in [("bs", Header::Status, self.bs), ("su", Header::Request, self.su)] {
            pairs.extend(value.then(|| Pair(name, header, name.to_owned())));
        }
        let texts = [
            ("cid", Header::Session, &self.cid),
            ("nor", Header::Request, &self.nor),
            ("nrr", Header::Request, &self.nrr),
            ("sid", Header::Session, &self.sid),
        ];
        for (name, header, value) in texts {
            let value = value.as_deref().and_then(|value| quoted(name, value));
            pairs.extend(value.map(|value| Pair(name, header, format!("{name}={value}"))));
        }
        for (name, header, value) in [
            ("ot", Header::Object, self.ot),
            ("sf", Header::Session, self.sf),
            ("st", Header::Session, self.st),
        ] {
            pairs.extend(value.map(|value| Pair(name, header, format!("{name}={value}"))));
        }
        let rate = self.pr.map(|rate| (rate * 100.0).round() / 100.0);
        pairs.extend(
            rate.filter(|rate| rate.is_finite() && *rate != 1.0)
                .map(|rate| Pair("pr", Header::Session, format!("pr={rate}"))),
        );
        pairs.sort_by_key(|Pair(name, ..)| *name);
        pairs
    }

    /// The headers that carry it.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let pairs = self.pairs();
        let names = [
            ("cmcd-object", Header::Object),
            ("cmcd-request", Header::Request),
            ("cmcd-session", Header::Session),
            ("cmcd-status", Header::Status),
        ];
        let carried = |header| {
            let of =
                pairs.iter().filter(|Pair(_, place, _)| *place == header).map(|Pair(.., text)| text.as_str());
            of.collect::<Vec<_>>().join(",")
        };
        names
            .into_iter()
            .map(|(name, header)| (name, carried(header)))
            .filter(|(_, text)| !text.is_empty())
            .filter_map(|(name, text)| {
                Some((HeaderName::from_static(name), HeaderValue::from_str(&text).ok()?))
            })
            .collect()
    }

    /// The value of the query argument, before percent-encoding.
    fn argument(&self) -> String {
        self.pairs().into_iter().map(|Pair(.., text)| text).collect::<Vec<_>>().join(",")
    }

    /// Puts it into the query of `url`; everything else in it stays as it is, to the byte.
    pub(crate) fn put_into(&self, url: &mut Url) {
        let argument = self.argument();
        if argument.is_empty() {
            return;
        }
        let mut query = url.query().map(|query| format!("{query}&")).unwrap_or_default();
        query.push_str("CMCD=");
        query.push_str(&escaped(&argument));
        url.set_query(Some(&query));
    }
}

/// The text in quotes; `None` when the standard has no place for it.
fn quoted(name: &str, text: &str) -> Option<String> {
    let printable = text.chars().all(|c| !c.is_control() && c.is_ascii());
    let bounded = matches!(name, "nor" | "nrr") || text.chars().count() <= TEXT_CHARS;
    (!text.is_empty() && printable && bounded)
        .then(|| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// Percent-encodes all but letters, digits, `-`, `_`, `.` and `~`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// `value` rounded to the nearest multiple of `step`.
fn nearest(value: u64, step: u64) -> u64 {
    (value.saturating_add(step / 2) / step) * step
}

/// A session number in the form of a random UUID. Without randomness there is none, and `sid` is left out.
pub(crate) fn session() -> String {
    let mut bytes = [0; 16];
    if rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).is_err() {
        return String::new();
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if [4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "6e2fb550-c457-11e9-bb97-0800200c9a66";

    /// The query example of the standard, with every key.
    #[test]
    fn the_example_with_every_key_is_encoded_as_the_standard_does() {
        let data = Data {
            bl: Some(21_300),
            br: Some(3_200),
            bs: true,
            cid: Some("faec5fc2-ac30-11ea-bb37-0242ac130002".into()),
            d: Some(4_004),
            dl: Some(18_500),
            mtp: Some(48_100),
            nor: Some("..%2F300kbps%2Ftrack.m4v".into()),
            nrr: Some("12323-48763".into()),
            ot: Some("v"),
            pr: Some(1.08),
            rtp: Some(12_000),
            sf: Some("d"),
            sid: Some(SID.into()),
            st: Some("v"),
            su: true,
            tb: Some(6_000),
        };
        let mut url = Url::parse("https://cdn.example/a.mp4?sig=a%2Fb+c").unwrap();
        data.put_into(&mut url);
        assert_eq!(
            url.as_str(),
            "https://cdn.example/a.mp4?sig=a%2Fb+c&CMCD=bl%3D21300%2Cbr%3D3200%2Cbs%2Ccid%3D%22faec5fc2-ac30-11ea-\
             bb37-0242ac130002%22%2Cd%3D4004%2Cdl%3D18500%2Cmtp%3D48100%2Cnor%3D%22..%252F300kbps%252Ftrack.m4v%22%2C\
             nrr%3D%2212323-48763%22%2Cot%3Dv%2Cpr%3D1.08%2Crtp%3D12000%2Csf%3Dd%2Csid%3D%226e2fb550-c457-11e9-bb97-\
             0800200c9a66%22%2Cst%3Dv%2Csu%2Ctb%3D6000"
        );
    }

    /// The header example of the standard.
    #[test]
    fn the_headers_are_those_of_the_standard() {
        let data = Data {
            br: Some(3_200),
            bs: true,
            d: Some(4_004),
            mtp: Some(25_400),
            ot: Some("v"),
            rtp: Some(15_000),
            sid: Some(SID.into()),
            tb: Some(6_000),
            ..Data::default()
        };
        let headers: Vec<_> =
            data.headers().iter().map(|(n, v)| format!("{n}:{}", v.to_str().unwrap())).collect();
        assert_eq!(
            headers,
            [
                "cmcd-object:br=3200,d=4004,ot=v,tb=6000",
                "cmcd-request:mtp=25400",
                "cmcd-session:sid=\"6e2fb550-c457-11e9-bb97-0800200c9a66\"",
                "cmcd-status:bs,rtp=15000",
            ]
        );
    }

    #[test]
    fn what_says_nothing_is_left_out_and_text_is_escaped() {
        assert!(Data::default().headers().is_empty());
        let mut url = Url::parse("https://cdn.example/a").unwrap();
        Data::default().put_into(&mut url);
        assert_eq!(url.as_str(), "https://cdn.example/a");
        let text = |cid: &str| Data { cid: Some(cid.into()), pr: Some(1.0), ..Data::default() }.argument();
        assert_eq!(text("a\"b\\c"), "cid=\"a\\\"b\\\\c\"", "and the usual rate says nothing");
        assert_eq!(text(&"x".repeat(65)), "");
        assert_eq!(text("a\nb"), "");
        assert_eq!(Data { pr: Some(f64::NAN), ..Data::default() }.argument(), "");
        assert_eq!((nearest(49, 100), nearest(50, 100), nearest(1_249, 100)), (0, 100, 1_200));
    }

    #[test]
    fn session_numbers_are_random_uuids() {
        let (one, two) = (session(), session());
        assert_ne!(one, two);
        assert_eq!((one.len(), &one[14..15]), (36, "4"));
        assert!(one.bytes().enumerate().all(|(n, b)| match n {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        }));
    }

    #[test]
    fn a_request_that_a_person_waits_for_says_how_long_they_can() {
        let playback = Playback { playhead_ms: 1_000, rate: 2.0, starved: false };
        let about = About {
            bitrate_bps: 1_500_001,
            buffered_ms: Some(2_345),
            playback: Some(playback),
            container: Some(Container::Mp4),
            ..About::default()
        };
        let key = MediaKey::new("clip", "720p");
        let said = |object, about: &About, waited_for| {
            Data::of(&key, object, about, SID, Some(4_321), Some(Span::new(10, 20)), waited_for).argument()
        };
        let session = format!("sid=\"{SID}\",st=v");
        assert_eq!(
            said(Object::Media, &about, true),
            format!("bl=2300,br=1501,cid=\"clip\",dl=1200,mtp=4300,nrr=\"10-19\",pr=2,sf=o,{session}")
        );
        assert_eq!(
            said(Object::Media, &about, false),
            format!("br=1501,cid=\"clip\",mtp=4300,nrr=\"10-19\",sf=o,{session}"),
            "what is fetched ahead has no deadline"
        );
        let starved = About { playback: Some(Playback { starved: true, ..playback }), ..about.clone() };
        assert!(said(Object::Media, &starved, true).contains(",bs,"));
        assert!(said(Object::Media, &starved, true).ends_with(",su"));
        assert!(said(Object::Media, &About::default(), true).ends_with(",su"), "a start");
        assert!(said(Object::Manifest, &about, false).contains("ot=m"));
    }
}
