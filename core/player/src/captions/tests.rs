use super::*;

const VTT: &str = "WEBVTT - made up\nKind: captions\n\nNOTE nothing\nto see --> here\n\nSTYLE\n::cue { color: red }\n\n\
    intro\n00:01.000 --> 00:02.500 line:0 align:start\n<v.loud Ann>Hello <b>there</b> &amp; welcome</v>\nsecond line\n\n\
    1:00:00.000 --> 1:00:01.000\nlate <00:00.500>karaoke\n\n00:02.000 --> 00:03.000\noverlap 1 < 2\n";

fn parse(text: &str) -> Captions {
    Captions::parse(text.as_bytes()).unwrap().0
}

#[test]
fn a_webvtt_file_becomes_cues() {
    let (captions, format) = Captions::parse(VTT.as_bytes()).unwrap();
    assert_eq!((format, captions.skipped()), (CaptionFormat::WebVtt, 0));
    let all: Vec<_> = captions.cues().iter().map(|c| (c.start_ms, c.end_ms, c.text.as_str())).collect();
    assert_eq!(
        all,
        [
            (1000, 2500, "Hello there & welcome\nsecond line"),
            (2000, 3000, "overlap 1 < 2"),
            (3_600_000, 3_601_000, "late karaoke")
        ]
    );
    assert_eq!(captions.cues()[0].voice.as_deref(), Some("Ann"));
    let texts = |ms| captions.at(ms).iter().map(|c| c.start_ms).collect::<Vec<_>>();
    assert!(texts(999).is_empty());
    assert_eq!(texts(1000), [1000]);
    assert_eq!(texts(2200), [1000, 2000]);
    assert_eq!(texts(2500), [2000], "an end is not shown any more");
    assert_eq!(captions.next_change(0), Some(1000));
    assert_eq!(captions.next_change(1000), Some(2000));
    assert_eq!(captions.next_change(2200), Some(2500));
    assert_eq!(captions.next_change(2999), Some(3000));
    assert_eq!(captions.next_change(4_000_000), None);
}

#[test]
fn a_subrip_file_becomes_cues() {
    let text = "\u{feff}1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}<i>Grüße</i>\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n\
        no end";
    let (captions, format) = Captions::parse(text.as_bytes()).unwrap();
    assert_eq!(format, CaptionFormat::Srt);
    let all: Vec<_> = captions.cues().iter().map(|c| c.text.as_str()).collect();
    assert_eq!(all, ["Grüße", "no end"]);
}

#[test]
fn a_broken_cue_is_left_out_and_counted() {
    let text = "WEBVTT\n\n00:02.000 --> 00:01.000\nbackwards\n\n00:61.000 --> 00:62.000\nno such second\n\n\
        00:01.000 --> 00:02.000\n\n99999:00:00.000 --> 00:01.000\nx\n\nlost words\n\n00:03.000 --> 00:04.000\ngood\n";
    let captions = parse(text);
    assert_eq!((captions.cues().len(), captions.skipped()), (1, 5));
}

#[test]
fn what_is_no_file_of_captions_is_an_error() {
    let html = "<!DOCTYPE html><html><body>Sign in</body></html>";
    for text in ["", "\n\n", html, "WEBVTTX\n\n", "WEBVTT\n\nwords", "#EXTM3U\n#EXTINF:1,\na.ts"] {
        assert_eq!(Captions::parse(text.as_bytes()), Err(CaptionError::NotCaptions), "{text}");
    }
    assert_eq!(Captions::parse(&[0xff; 500]), Err(CaptionError::NotCaptions));
    assert!(matches!(Captions::parse(&vec![b' '; LARGEST_FILE + 1]), Err(CaptionError::TooLarge { .. })));
    assert!(parse("WEBVTT\n\nNOTE silence\n").cues().is_empty(), "a file that says nothing is a file");
}

#[test]
fn everything_is_bounded() {
    let many: String = (0..MOST_CUES + 50).map(|_| "0:00:00.000 --> 0:00:01.000\nx\n\n").collect();
    assert_eq!(parse(&format!("WEBVTT\n\n{many}")).cues().len(), MOST_CUES);
    let long = format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{}\n", "ä<b>".repeat(50_000));
    assert!(parse(&long).cues()[0].text.len() <= LONGEST_CUE + 4);
    // Marks that open and never close must not make it slow.
    let open = format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{}\n", "<".repeat(200_000));
    assert!(parse(&open).cues()[0].text.starts_with("<<<"));
}

#[test]
fn any_cut_and_many_flips_end_without_a_panic() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for cut in 0..VTT.len() {
        let _ = Captions::parse(&VTT.as_bytes()[..cut]);
        let mut bytes = VTT.as_bytes().to_vec();
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (random % bytes.len() as u64) as usize;
            bytes[at] ^= (random >> 32) as u8;
        }
        if let Ok((captions, _)) = Captions::parse(&bytes) {
            for ms in [0, 1500, 3_600_500, u64::MAX] {
                let _ = (captions.at(ms), captions.next_change(ms));
            }
        }
    }
}
