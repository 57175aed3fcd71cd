//! Captions for the invented clips: one in a second, which says which second it is, so that a reader can be checked.
//!
//! Of every four clips the first has English (WebVTT) and German (SubRip), the second English alone, the third German alone,
//! the fourth none.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use crate::catalogue::Captions;
use crate::error::OriginError;
use crate::maker::ClipRecord;

/// Writes the captions of the clip of this number into its folder, where they are not there yet, and names them.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(folder: &Path, number: usize, clip: &ClipRecord) -> Result<Vec<Captions>, OriginError> {
    let seconds = clip.duration_ms.div_ceil(1_000);
    let english = ("en", "English", "captions.en.vtt");
    let german = ("de", "Deutsch", "captions.de.srt");
    let tracks = match number % 4 {
        0 => vec![english, german],
        1 => vec![english],
        2 => vec![german],
        _ => Vec::new(),
    };
    let mut named = Vec::with_capacity(tracks.len());
    for (language, label, file) in tracks {
        let text = if language == "en" { web_vtt(seconds) } else { sub_rip(seconds) };
        put(&folder.join(file), &text)?;
        named.push(Captions {
            language: language.to_owned(),
            label: label.to_owned(),
            file: file.to_owned(),
        });
    }
    Ok(named)
}

fn web_vtt(seconds: u64) -> String {
    let mut text = "WEBVTT\n\nNOTE made up\n".to_owned();
    for second in 0..seconds {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n{}.000 --> {}.000\n<v Narrator>Second <b>{second}</b>\n",
            clock(second),
            clock(second + 1)
        );
    }
    text
}

fn sub_rip(seconds: u64) -> String {
    let mut text = String::new();
    for second in 0..seconds {
        let _ = write!(
            text,
            "{}\r\n{},000 --> {},000\r\nSekunde {second}\r\n\r\n",
            second + 1,
            clock(second),
            clock(second + 1)
        );
    }
    text
}

fn clock(second: u64) -> String {
    format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

/// Whole or not at all, since another server may read the same folder; left alone where it is right already, so that its
/// entity tag stays.
fn put(path: &Path, text: &str) -> Result<(), OriginError> {
    if std::fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(path);
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(OriginError::io("cannot write in", folder))?;
    file.write_all(text.as_bytes()).map_err(OriginError::io("cannot write in", folder))?;
    file.persist(path).map(drop).map_err(|error| OriginError::io("cannot write", path)(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_name_every_second() {
        assert!(web_vtt(2).ends_with("00:00:01.000 --> 00:00:02.000\n<v Narrator>Second <b>1</b>\n"));
        assert!(sub_rip(61).contains("61\r\n00:01:00,000 --> 00:01:01,000\r\nSekunde 60\r\n"));
    }
}
