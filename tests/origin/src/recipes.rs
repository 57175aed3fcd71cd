//! What each clip of the catalogue looks and sounds like, and the ffmpeg arguments that make it. Pure.
//!
//! Pictures are ffmpeg's own generators, each tinted differently, with the clip's name and a running clock burnt in, so
//! that a person and a test can tell which clip and which moment is on screen. Tones climb by semitones. One call makes
//! all renditions, so the picture is drawn once.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::contract::Container;

/// Most clips a catalogue may have.
pub const MAX_CLIPS: usize = 200;
/// Pictures per second of every clip.
const FPS: usize = 30;
const WIDTH: u32 = 720;
const HEIGHT: u32 = 1280;

/// The ladder, lowest first: name, pixels, video bits per second. All portrait, widths even as 4:2:0 needs.
pub const LADDER: [Rung; 3] = [
    Rung { id: "270", width: 270, height: 480, video_bps: 350_000, hls: Packing::Transport },
    Rung { id: "406", width: 406, height: 720, video_bps: 900_000, hls: Packing::Fragments },
    Rung { id: "720", width: WIDTH, height: HEIGHT, video_bps: 2_200_000, hls: Packing::OneFile },
];

/// One step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Identifier of the rendition.
    pub id: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Aim of the video encoder.
    pub video_bps: u32,
    /// Packing, where the clip is an HLS clip.
    pub hls: Packing,
}

/// How the files of a clip are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Progressive MP4, `moov` first.
    MoovFirst,
    /// Progressive MP4, `moov` last.
    MoovLast,
    /// One fragmented MP4 with a `sidx` before its fragments.
    Fragmented,
    /// HLS, each step of the ladder in another [`Packing`].
    Hls,
}

impl Layout {
    /// The word of the contract.
    #[must_use]
    pub fn container(self) -> Container {
        match self {
            Layout::MoovFirst | Layout::MoovLast => Container::Mp4,
            Layout::Fragmented => Container::Fmp4,
            Layout::Hls => Container::Hls,
        }
    }
}

/// What an HLS playlist lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Byte ranges of one fragmented MP4.
    OneFile,
    /// A file of headers and a file of fragments for each segment.
    Fragments,
    /// A transport stream for each segment.
    Transport,
}

/// Seconds of an HLS segment.
pub const SEGMENT: usize = 2;

/// Half `moov` first, a quarter last, an eighth fragmented, an eighth HLS; the first four clips show all four.
const LAYOUTS: [Layout; 8] = [
    Layout::MoovFirst,
    Layout::Hls,
    Layout::Fragmented,
    Layout::MoovLast,
    Layout::MoovFirst,
    Layout::MoovFirst,
    Layout::MoovLast,
    Layout::MoovFirst,
];

/// Name and filter graph of a picture; `SIZE` stands for the full size. Those drawn small are cheap at any size.
const PICTURES: [(&str, &str); 12] = [
    ("Counting bars", "testsrc2=s=SIZE:r=30"),
    (
        "Drifting colours",
        "gradients=s=180x320:r=30:c0=0xE4572E:c1=0x17BEBB:c2=0xFFC914:n=3:speed=0.03,scale=SIZE:flags=bilinear",
    ),
    (
        "Game of life",
        "life=s=45x80:r=30:ratio=0.25:mold=20:seed=7:life_color=0x76E37B:death_color=0x8A3B12:mold_color=0x10241C,scale=SIZE:flags=neighbor",
    ),
    ("Rolling test card", "smptehdbars=s=SIZE:r=30,scroll=v=0.004"),
    (
        "Bouncing square",
        "color=c=0x1D3557:s=SIZE:r=30[ground];color=c=0xF1FAEE:s=200x200:r=30[box];[ground][box]overlay=x='260+260*sin(2.1*t)':y='540+500*sin(1.3*t)'",
    ),
    (
        "Rule 110",
        "cellauto=s=90x160:r=30:rule=110:seed=11,format=rgb24,lutrgb=r=val*0.3+150:g=val*0.4+60:b=val*0.2+20,scale=SIZE:flags=neighbor",
    ),
    ("Sliding primaries", "rgbtestsrc=s=SIZE:r=30,scroll=h=0.006"),
    ("Stopwatch", "testsrc=s=SIZE:r=30"),
    ("Turning spectrum", "colorspectrum=s=180x320:r=30,hue=H=t,scale=SIZE:flags=bilinear"),
    (
        "Falling carpet",
        "sierpinski=s=180x320:r=30:type=carpet:seed=5,format=rgb24,lutrgb=r=val*0.3+10:g=val*0.3+90:b=val*0.4+100,scale=SIZE:flags=neighbor",
    ),
    ("Broadcast bars", "pal75bars=s=SIZE:r=30,scroll=h=0.003:v=0.002"),
    (
        "Spotlight",
        "color=c=0x3A0CA3:s=SIZE:r=30[ground];color=c=0xF72585:s=420x420:r=30[box];[ground][box]overlay=x='150+150*cos(1.7*t)':y='430+420*sin(0.9*t)'",
    ),
];

/// One clip to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Identifier, which is also the asset's.
    pub id: String,
    /// What the picture shows.
    pub title: String,
    /// Packing.
    pub layout: Layout,
    /// Length in whole seconds, 6 to 12.
    pub seconds: usize,
    number: usize,
}

impl Recipe {
    /// The recipe of a clip; the same number always means the same clip.
    #[must_use]
    pub fn of(number: usize) -> Self {
        Recipe {
            id: format!("clip-{number:02}"),
            title: PICTURES[number % PICTURES.len()].0.to_owned(),
            layout: LAYOUTS[number % LAYOUTS.len()],
            seconds: 6 + number * 5 % 7,
            number,
        }
    }

    /// Files of one rendition, the one a client opens first.
    #[must_use]
    pub fn files(&self, rung: &Rung) -> Vec<String> {
        match self.layout {
            Layout::Hls => {
                let id = rung.id;
                let segments = |ending: &'static str| {
                    (0..self.seconds.div_ceil(SEGMENT))
                        .map(move |number| format!("{id}-{number:02}.{ending}"))
                };
                let mut files = vec![format!("{id}.m3u8")];
                match rung.hls {
                    Packing::OneFile => files.push(format!("{id}.m4s")),
                    Packing::Fragments => {
                        files.push(format!("{id}-init.mp4"));
                        files.extend(segments("m4s"));
                    }
                    Packing::Transport => files.extend(segments("ts")),
                }
                files
            }
            _ => vec![format!("{}.mp4", rung.id)],
        }
    }

    /// A hash of everything that decides what the clip looks like except the font, so that a changed recipe is made again.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut sha256 = Sha256::new();
        for argument in self.arguments(Some(Path::new("font"))) {
            sha256.update(argument.as_bytes());
            sha256.update([0]);
        }
        hex::encode(sha256.finalize()).chars().take(16).collect()
    }

    /// The arguments of the ffmpeg call that writes all files into its working directory. Without a font the picture
    /// has no text.
    #[must_use]
    pub fn arguments(&self, font: Option<&Path>) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["-hide_banner", "-nostdin", "-loglevel", "error", "-y", "-filter_complex_threads", "1"]
                .map(str::to_owned)
                .to_vec();
        arguments.push("-filter_complex".to_owned());
        arguments.push(self.graph(font));
        let keyframes = if self.number.is_multiple_of(2) { FPS } else { 2 * FPS };
        for (index, rung) in LADDER.iter().enumerate() {
            let settings = format!(
                "-map [v{index}] -map [a{index}] -t {seconds} -c:v libx264 -preset ultrafast -profile:v main -threads 1 \
                 -g {keyframes} -keyint_min {keyframes} -sc_threshold 0 -b:v {bits} -maxrate {bits} -bufsize {bits} \
                 -c:a aac -b:a 64k -ac 2 -map_metadata -1 -fflags +bitexact",
                seconds = self.seconds,
                bits = rung.video_bps,
            );
            arguments.extend(settings.split_whitespace().map(str::to_owned));
            let packing = match self.layout {
                Layout::MoovFirst => "-movflags +faststart".to_owned(),
                Layout::MoovLast => String::new(),
                Layout::Fragmented => "-movflags +cmaf+frag_keyframe+dash+global_sidx".to_owned(),
                Layout::Hls => {
                    let id = rung.id;
                    let files = match rung.hls {
                        Packing::OneFile => {
                            format!(
                                "-hls_segment_type fmp4 -hls_flags single_file -hls_segment_filename {id}.m4s"
                            )
                        }
                        Packing::Fragments => format!(
                            "-hls_segment_type fmp4 -hls_fmp4_init_filename {id}-init.mp4 \
                             -hls_segment_filename {id}-%02d.m4s"
                        ),
                        Packing::Transport => {
                            format!("-hls_segment_type mpegts -hls_segment_filename {id}-%02d.ts")
                        }
                    };
                    format!("-f hls -hls_playlist_type vod -hls_time {SEGMENT} {files}")
                }
            };
            arguments.extend(packing.split_whitespace().map(str::to_owned));
            arguments.extend(self.files(rung).into_iter().take(1));
        }
        arguments
    }

    fn graph(&self, font: Option<&Path>) -> String {
        let size = format!("{WIDTH}x{HEIGHT}");
        let picture = PICTURES[self.number % PICTURES.len()].1.replace("SIZE", &size);
        // A second and third round through the pictures differ from the first by tint.
        let round = self.number / PICTURES.len();
        let tint = if round == 0 { String::new() } else { format!(",hue=h={}", round * 80 % 360) };
        let text = font.map_or_else(String::new, |font| {
            let style = format!(
                "fontfile='{}':fontcolor=white:box=1:boxcolor=black@0.85:boxborderw=14",
                font.display()
            );
            format!(
                ",drawtext={style}:fontsize=52:x=(w-tw)/2:y=150:text='Clip {:02}  {}',\
                 drawtext={style}:fontsize=64:x=(w-tw)/2:y=1010:text='%{{pts\\:hms}}'",
                self.number, self.title
            )
        });
        let semitones = u32::try_from(self.number % 36).unwrap_or(0);
        let pitch = 196.0 * 2f64.powf(f64::from(semitones) / 12.0);
        let tone = if self.number.is_multiple_of(2) {
            format!("sine=frequency={pitch:.2}:beep_factor=4:sample_rate=48000")
        } else {
            format!("aevalsrc='0.2*sin(2*PI*{pitch:.2}*t)*(0.6+0.4*sin(4*PI*t))':s=48000")
        };
        let mut graph = format!("{picture}{tint}{text},format=yuv420p,split={}", LADDER.len());
        graph.extend((0..LADDER.len()).map(|index| format!("[s{index}]")));
        for (index, rung) in LADDER.iter().enumerate() {
            graph.push_str(&format!(
                ";[s{index}]scale={}:{}:flags=bilinear[v{index}]",
                rung.width, rung.height
            ));
        }
        graph.push_str(&format!(";{tone},asplit={}", LADDER.len()));
        graph.extend((0..LADDER.len()).map(|index| format!("[a{index}]")));
        graph
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_catalogue_has_the_mix_it_promises() {
        let recipes: Vec<Recipe> = (0..24).map(Recipe::of).collect();
        let count = |layout| recipes.iter().filter(|recipe| recipe.layout == layout).count();
        assert_eq!(
            [Layout::MoovFirst, Layout::MoovLast, Layout::Fragmented, Layout::Hls].map(count),
            [12, 6, 3, 3]
        );
        assert!(recipes.iter().all(|recipe| (6..=12).contains(&recipe.seconds)));
        let mut prints: Vec<String> = recipes.iter().map(Recipe::fingerprint).collect();
        prints.sort();
        prints.dedup();
        assert_eq!(prints.len(), 24, "no two clips are alike");
    }
}
