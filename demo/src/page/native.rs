//! The pictures of the native engine on the page: what the core's own players give to their sinks, as it is, for a canvas.
//!
//! Players of the core show their pictures on screens of ours, one for each card, which keep a copy of the newest. The page
//! asks for one picture after the other and gets the planes as they were decoded: nothing is encoded, so nothing is lost and
//! little is spent. As it asks when it has drawn, a slow page gets fewer pictures and holds no player back, and a page that is
//! gone asks for nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use unspool::{Picture, Screen, Screens};

use super::server::Shared;

/// A question waits this long for a picture; then the page asks again. A card that stands still has none.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the picture is, beside its bytes.
const TOLD: HeaderName = HeaderName::from_static("picture");

/// The newest picture of each card that has a player; the core bounds how many there are.
#[derive(Debug, Default)]
pub struct Pictures {
    kept: Mutex<Kept>,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Screens that were made.
    screens: u64,
    /// The number of the newest picture.
    number: u64,
    /// By the number of the screen.
    shown: BTreeMap<u64, Shown>,
}

/// A picture on a card.
#[derive(Debug, Clone)]
struct Shown {
    number: u64,
    session: u64,
    position: u64,
    picture: Arc<Planes>,
}

/// A picture's planes, one behind the other, without padding.
#[derive(Debug)]
struct Planes {
    /// As WebCodecs names it; none for pixels no browser takes.
    format: Option<&'static str>,
    /// As `GStreamer` names it.
    pixels: &'static str,
    width: u32,
    height: u32,
    /// Width to show it in at this height: pixels need not be square.
    display_width: u32,
    matrix: &'static str,
    full_range: bool,
    bytes: Bytes,
}

impl Pictures {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, screen: u64, session: u64, position: u64, picture: Planes) {
        let mut kept = self.kept();
        kept.number += 1;
        let number = kept.number;
        // What was there is dropped without the lock.
        let before =
            kept.shown.insert(screen, Shown { number, session, position, picture: Arc::new(picture) });
        drop(kept);
        drop(before);
        self.newest.send_replace(number);
    }

    /// The oldest of the newest pictures that came after this number: one that stands still is not passed over for one that
    /// moves.
    fn after(&self, number: u64) -> Option<Shown> {
        let kept = self.kept();
        kept.shown.values().filter(|shown| shown.number > number).min_by_key(|shown| shown.number).cloned()
    }

    /// As [`after`](Pictures::after), waiting for one. `None` when none came in time.
    async fn next(&self, number: u64, within: Duration) -> Option<Shown> {
        let mut newest = self.newest.subscribe();
        let wait = async {
            loop {
                newest.mark_unchanged();
                if let Some(shown) = self.after(number) {
                    return Some(shown);
                }
                newest.changed().await.ok()?;
            }
        };
        tokio::time::timeout(within, wait).await.ok().flatten()
    }
}

/// The screens of one session.
#[derive(Debug)]
pub struct Wall {
    /// Where their pictures go.
    pub pictures: Arc<Pictures>,
    /// The session's number.
    pub session: u64,
}

impl Screens for Wall {
    fn screen(&self, position: u64) -> Arc<dyn Screen> {
        let mut kept = self.pictures.kept();
        kept.screens += 1;
        let number = kept.screens;
        drop(kept);
        Arc::new(CardScreen { pictures: Arc::clone(&self.pictures), number, session: self.session, position })
    }
}

/// Where one player shows its pictures.
#[derive(Debug)]
struct CardScreen {
    pictures: Arc<Pictures>,
    number: u64,
    session: u64,
    position: u64,
}

impl Screen for CardScreen {
    fn show(&self, picture: &Picture<'_>) {
        self.pictures.put(self.number, self.session, self.position, Planes::of(picture));
    }
}

impl Drop for CardScreen {
    fn drop(&mut self) {
        let gone = self.pictures.kept().shown.remove(&self.number);
        drop(gone);
    }
}

/// How a format is laid out: its name in WebCodecs, and of each plane the bytes of a row and the rows.
fn layout(format: &str, width: u32, height: u32) -> Option<(&'static str, Vec<(u32, u32)>)> {
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let luma = (width, height);
    Some(match format {
        "I420" => ("I420", vec![luma, (half_width, half_height), (half_width, half_height)]),
        "Y42B" => ("I422", vec![luma, (half_width, height), (half_width, height)]),
        "Y444" => ("I444", vec![luma, luma, luma]),
        "NV12" => ("NV12", vec![luma, (2 * half_width, half_height)]),
        "RGBA" | "BGRA" => (if format == "RGBA" { "RGBA" } else { "BGRA" }, vec![(4 * width, height)]),
        "RGBx" | "BGRx" => (if format == "RGBx" { "RGBX" } else { "BGRX" }, vec![(4 * width, height)]),
        _ => return None,
    })
}

impl Planes {
    fn of(picture: &Picture<'_>) -> Self {
        let (width, height, pixels) = (picture.width(), picture.height(), picture.format());
        let (wide, tall) = picture.pixel_aspect();
        let display_width = u64::from(width) * u64::from(wide) / u64::from(tall);
        let colours = picture.colours();
        let read = layout(pixels, width, height)
            .and_then(|(format, rows)| Some((format, packed(&rows, |plane| picture.plane(plane))?)));
        let (format, bytes) = read.map_or((None, Vec::new()), |(format, bytes)| (Some(format), bytes));
        Planes {
            format,
            pixels,
            width,
            height,
            display_width: u32::try_from(display_width.max(1)).unwrap_or(width),
            matrix: colours.matrix,
            full_range: colours.full_range,
            bytes: bytes.into(),
        }
    }
}

/// Planes one behind the other, without what stands behind the end of their rows; `None` where one is shorter than it must be.
fn packed<'a>(rows: &[(u32, u32)], plane: impl Fn(u32) -> Option<(&'a [u8], usize)>) -> Option<Vec<u8>> {
    let size = |n: u32| usize::try_from(n).ok();
    let total: usize =
        rows.iter().map(|(row, count)| Some(size(*row)? * size(*count)?)).sum::<Option<_>>()?;
    let mut bytes = Vec::with_capacity(total);
    for (number, (row, count)) in (0..).zip(rows) {
        let (from, stride) = plane(number)?;
        let (row, count) = (size(*row)?, size(*count)?);
        if stride == row {
            bytes.extend_from_slice(from.get(..row * count)?);
        } else {
            for line in 0..count {
                bytes.extend_from_slice(from.get(line * stride..line * stride + row)?);
            }
        }
    }
    Some(bytes)
}

impl Shown {
    fn told(&self) -> Value {
        let picture = &self.picture;
        json!({
            "number": self.number,
            "session": self.session,
            "position": self.position,
            "format": picture.format,
            "pixels": picture.pixels,
            "width": picture.width,
            "height": picture.height,
            "displayWidth": picture.display_width,
            "matrix": picture.matrix,
            "fullRange": picture.full_range,
        })
    }
}

/// What the page asks.
#[derive(Debug, Deserialize)]
pub struct After {
    /// The number of the picture it had last; 0 for none.
    #[serde(default)]
    after: u64,
}

/// Gives the page its next picture, when there is one.
pub async fn picture(State(shared): State<Shared>, Query(asked): Query<After>) -> Response {
    match shared.phone.pictures.next(asked.after, PATIENCE).await {
        Some(shown) => {
            let heads = [
                (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
                (TOLD, shown.told().to_string()),
            ];
            (heads, shown.picture.bytes.clone()).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(tag: u8) -> Planes {
        Planes {
            format: Some("I420"),
            pixels: "I420",
            width: 2,
            height: 2,
            display_width: 2,
            matrix: "bt709",
            full_range: false,
            bytes: vec![tag; 6].into(),
        }
    }

    #[test]
    fn of_each_card_the_newest_is_kept_and_a_still_one_is_not_passed_over() {
        let pictures = Arc::new(Pictures::default());
        let wall = Wall { pictures: Arc::clone(&pictures), session: 1 };
        let (one, two) = (wall.screen(0), wall.screen(1));
        pictures.put(2, 1, 1, planes(1));
        for tag in 2..50 {
            pictures.put(1, 1, 0, planes(tag));
        }
        assert_eq!(pictures.kept().shown.len(), 2, "one for each card, however slow the page");
        let still = pictures.after(0).unwrap();
        assert_eq!((still.position, still.picture.bytes[0]), (1, 1));
        let moving = pictures.after(still.number).unwrap();
        assert_eq!((moving.position, moving.picture.bytes[0]), (0, 49));
        assert!(pictures.after(moving.number).is_none());
        drop((one, two));
        assert!(pictures.kept().shown.is_empty(), "a player that is gone leaves nothing");
    }

    #[tokio::test]
    async fn a_question_waits_for_a_picture_and_not_for_ever() {
        let pictures = Arc::new(Pictures::default());
        assert!(pictures.next(0, Duration::from_millis(1)).await.is_none());
        let own = Arc::clone(&pictures);
        let asked = tokio::spawn(async move { own.next(0, Duration::from_secs(60)).await });
        pictures.put(1, 7, 3, planes(9));
        let shown = asked.await.unwrap().unwrap();
        assert_eq!((shown.session, shown.position, shown.number), (7, 3, 1));
    }

    #[test]
    fn rows_lose_their_padding_and_short_planes_are_refused() {
        let (format, rows) = layout("I420", 3, 3).unwrap();
        assert_eq!((format, rows.as_slice()), ("I420", &[(3, 3), (2, 2), (2, 2)][..]));
        let luma = [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9];
        let chroma = [10, 11, 12, 13];
        let plane = |n: u32| Some(if n == 0 { (&luma[..], 4) } else { (&chroma[..], 2) });
        assert_eq!(
            packed(&rows, plane).unwrap(),
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 10, 11, 12, 13]
        );
        assert!(packed(&rows, |n| if n == 2 { None } else { plane(n) }).is_none());
        assert!(packed(&rows, |_| Some((&chroma[..], 2))).is_none());
        assert!(layout("I420_10LE", 2, 2).is_none());
    }
}
