//! Which elements play which coding.
//!
//! An allow-list, not autoplugging: a clip then plays with the same elements every time, an unknown coding is an error
//! at once instead of a silent wait, and nothing reads the file to guess what it is.

use crate::PlayerError;
use gst::prelude::*;
use unspool_media::VideoCodec;

/// Elements of a video chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VideoChain {
    pub(crate) parser: &'static str,
    pub(crate) decoder: String,
}

/// The caps name a demuxer gives this coding.
pub(crate) fn media_type(codec: VideoCodec) -> Option<&'static str> {
    match codec {
        VideoCodec::H264 => Some("video/x-h264"),
        VideoCodec::H265 => Some("video/x-h265"),
        VideoCodec::Av1 => Some("video/x-av1"),
        VideoCodec::Vp9 => Some("video/x-vp9"),
        VideoCodec::Other => None,
    }
}

/// The coding that a caps name stands for.
pub(crate) fn codec_of(media_type: &str) -> VideoCodec {
    [VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1, VideoCodec::Vp9]
        .into_iter()
        .find(|&codec| self::media_type(codec) == Some(media_type))
        .unwrap_or(VideoCodec::Other)
}

/// Decoders by preference; a name ending in `-` is a prefix, because Android names them after the device's codecs.
///
/// The platform's hardware comes first, then the quickest software. `avdec_av1` is absent on purpose: it drives hardware
/// only and fails at the first frame elsewhere.
fn candidates(codec: VideoCodec) -> (&'static str, &'static [&'static str]) {
    match codec {
        VideoCodec::H264 => ("h264parse", &["amcviddec-", "vtdec_hw", "vtdec", "avdec_h264", "openh264dec"]),
        VideoCodec::H265 => ("h265parse", &["amcviddec-", "vtdec_hw", "vtdec", "avdec_h265", "libde265dec"]),
        VideoCodec::Av1 => ("av1parse", &["amcviddec-", "vtdec_hw", "dav1ddec", "av1dec"]),
        VideoCodec::Vp9 => ("vp9parse", &["amcviddec-", "vtdec_hw", "vp9dec", "avdec_vp9"]),
        VideoCodec::Other => ("", &[]),
    }
}

/// Chooses the elements for a coding.
pub(crate) fn video_chain(codec: VideoCodec) -> Result<VideoChain, PlayerError> {
    let unsupported = PlayerError::UnsupportedCodec { codec };
    let (parser, names) = candidates(codec);
    let Some(media) = media_type(codec) else { return Err(unsupported) };
    if gst::ElementFactory::find(parser).is_none() {
        return Err(PlayerError::MissingElement { name: parser.to_owned() });
    }
    let caps = gst::Caps::new_empty_simple(media);
    let decoder = names.iter().find_map(|name| {
        if name.ends_with('-') {
            gst::ElementFactory::factories_with_type(
                gst::ElementFactoryType::DECODER | gst::ElementFactoryType::MEDIA_VIDEO,
                gst::Rank::NONE,
            )
            .iter()
            .find(|factory| factory.name().starts_with(name) && factory.can_sink_any_caps(&caps))
            .map(|factory| factory.name().to_string())
        } else {
            gst::ElementFactory::find(name).map(|_| (*name).to_owned())
        }
    });
    decoder.map(|decoder| VideoChain { parser, decoder }).ok_or(unsupported)
}

/// Elements from an audio pad to raw sound, or `None` to leave the track out.
pub(crate) fn audio_chain(caps: &gst::CapsRef) -> Option<Vec<&'static str>> {
    let first = caps.structure(0)?;
    let names: &[&[&'static str]] = match first.name().as_str() {
        "audio/mpeg" if first.get::<i32>("mpegversion").is_ok_and(|v| v == 4 || v == 2) => {
            &[&["aacparse", "avdec_aac"], &["aacparse", "faad"]]
        }
        "audio/x-opus" => &[&["opusparse", "opusdec"], &["opusparse", "avdec_opus"]],
        _ => &[],
    };
    names
        .iter()
        .find(|chain| chain.iter().all(|n| gst::ElementFactory::find(n).is_some()))
        .map(|c| c.to_vec())
}
