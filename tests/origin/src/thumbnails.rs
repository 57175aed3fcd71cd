//! Still pictures of items, invented like the clips: a PNG in the item's colour, darker towards the bottom, with a light
//! band that stands where the item stands in the feed, so that two pictures can be told apart.

use std::io::Write as _;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::api::App;
use crate::contract::ErrorBody;
use crate::error::ApiError;
use crate::ranges::{Slice, slice};

/// Width in pixels: a quarter of a small phone's.
const WIDTH: u32 = 90;
/// Height in pixels, upright as the clips are.
const HEIGHT: u32 = 160;
/// Height of the band in pixels.
const BAND: u32 = 6;

/// Where the picture of an item is, for an actor whose log it goes into.
#[must_use]
pub fn address(base: &str, item: &str, actor: &str) -> String {
    format!("{base}/thumbnails/{item}?c={actor}")
}

/// The still picture of an item.
#[utoipa::path(
    get, path = "/thumbnails/{item}", tag = "media",
    params(
        ("item" = String, Path, description = "Item identifier"),
        ("c" = Option<String>, Query, description = "Viewer tag, for the access log"),
        ("Range" = Option<String>, Header, description = "One byte range; several are answered with the whole file"),
    ),
    responses(
        (status = 200, description = "The picture", content_type = "image/png", body = inline(crate::contract::Binary)),
        (status = 206, description = "The range asked for", content_type = "image/png", body = inline(crate::contract::Binary)),
        (status = 404, description = "`unknown_item`", body = ErrorBody),
        (status = 416, description = "`range_not_satisfiable`; `Content-Range` tells the size", body = ErrorBody),
    )
)]
pub async fn thumbnail(
    State(app): State<Arc<App>>,
    Path(item): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let number = app.feeds.number(&item);
    let number = number.ok_or_else(|| ApiError::missing("unknown_item", "no such item"))?;
    let file = picture(number).map_err(|error| ApiError::internal(&error))?;
    let size = file.len();
    let common = [
        (CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400")),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (ETAG, HeaderValue::from_str(&format!("\"still-{number}\"")).map_err(|e| ApiError::internal(&e))?),
    ];
    let range = headers.get(RANGE).and_then(|range| range.to_str().ok());
    match slice(range, size as u64) {
        Slice::Whole => Ok((common, file).into_response()),
        Slice::Part { first, last } => {
            let part = usize::try_from(first).ok().zip(usize::try_from(last).ok());
            let part = part.and_then(|(first, last)| file.get(first..=last)).unwrap_or_default().to_vec();
            let range = [(CONTENT_RANGE, format!("bytes {first}-{last}/{size}"))];
            Ok((StatusCode::PARTIAL_CONTENT, common, range, part).into_response())
        }
        Slice::Outside => {
            let detail = format!("the picture has {size} bytes");
            let error = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable", detail);
            Ok(([(CONTENT_RANGE, format!("bytes */{size}"))], error).into_response())
        }
    }
}

/// The picture of the item of this number, as a PNG of eight bits for each of three colours.
fn picture(number: usize) -> std::io::Result<Vec<u8>> {
    // The golden angle keeps neighbours apart.
    let colour = of_hue(number * 137 % 360);
    let band = u32::try_from(number * 7 % (HEIGHT - BAND) as usize).unwrap_or(0);
    let mut rows = Vec::new();
    for y in 0..HEIGHT {
        // No filter on any row.
        rows.push(0);
        let light = 255 - y * 160 / HEIGHT;
        let pixel = if (band..band + BAND).contains(&y) {
            [255; 3]
        } else {
            colour.map(|part| u8::try_from(u32::from(part) * light / 255).unwrap_or(255))
        };
        (0..WIDTH).for_each(|_| rows.extend(pixel));
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&rows)?;
    let mut header = [WIDTH.to_be_bytes(), HEIGHT.to_be_bytes()].concat();
    // Eight bits a sample, true colour, and the only methods there are.
    header.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", header), (b"IDAT", packed.finish()?), (b"IEND", Vec::new())] {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        file.extend(length.to_be_bytes());
        let mut sum = Crc::new();
        sum.update(name);
        sum.update(&data);
        file.extend(name);
        file.extend(data);
        file.extend(sum.sum().to_be_bytes());
    }
    Ok(file)
}

/// A colour of the wheel in red, green and blue, not too bright for white.
fn of_hue(degrees: usize) -> [u8; 3] {
    let part = |shift: usize| {
        let at = (degrees + shift) % 360;
        // Up, two sixths high, down, two sixths low.
        let rise = match at {
            0..60 => at,
            60..180 => 60,
            180..240 => 240 - at,
            _ => 0,
        };
        u8::try_from(40 + rise * 3).unwrap_or(u8::MAX)
    };
    [part(120), part(0), part(240)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_has_a_small_picture_of_its_own() {
        let (first, second) = (picture(0).unwrap(), picture(1).unwrap());
        assert!(first.starts_with(b"\x89PNG\r\n\x1a\n") && first.ends_with(b"IEND\xaeB`\x82"));
        assert!(first.len() < 4_096, "{} bytes", first.len());
        assert_ne!(first, second);
    }
}
