//! A virtual X server for these tests, and as much of its protocol as it takes to make windows and look at them.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// A server without a screen to look at, gone when dropped.
pub struct XServer {
    process: Child,
    display: u32,
    wire: Mutex<Wire>,
}

struct Wire {
    stream: UnixStream,
    root: u32,
    next_id: u32,
}

/// Width and height of the windows.
const SIZE: (u16, u16) = (160, 120);

impl XServer {
    /// Starts one, or says that there is none to start.
    pub fn start() -> Option<Self> {
        let spawned = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-ac"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut process) = spawned else {
            eprintln!("SKIPPED no Xvfb on this machine");
            return None;
        };
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let display = line.trim().parse().expect("Xvfb names its display when it is ready");
        let stream = UnixStream::connect(format!("/tmp/.X11-unix/X{display}")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let wire = Mutex::new(Wire::greet(stream));
        Some(Self { process, display, wire })
    }

    /// Makes it the display of this process.
    #[allow(unsafe_code, reason = "the environment of this test's process, before any thread reads it")]
    pub fn use_it(&self) {
        // SAFETY: called before the test starts GStreamer; the other tests of this binary set nothing.
        unsafe { std::env::set_var("DISPLAY", format!(":{}", self.display)) };
    }

    /// A black window on the screen.
    pub fn window(&self) -> Window<'_> {
        let mut wire = self.wire.lock().unwrap();
        wire.next_id += 1;
        let (id, root) = (wire.next_id, wire.root);
        let mut request = vec![1, 24, 10, 0];
        request.extend(id.to_le_bytes());
        request.extend(root.to_le_bytes());
        // Side by side as long as there are not too many: what another window covers is not drawn.
        let place = u16::try_from(id % 16).unwrap();
        for n in [place % 4 * SIZE.0, place / 4 * SIZE.1, SIZE.0, SIZE.1, 0, 1] {
            request.extend(n.to_le_bytes());
        }
        request.extend(0_u32.to_le_bytes());
        // Background black, and drawing as if no window manager were there.
        request.extend(0x0202_u32.to_le_bytes());
        request.extend(0_u32.to_le_bytes());
        request.extend(1_u32.to_le_bytes());
        wire.stream.write_all(&request).unwrap();
        wire.send(8, id);
        drop(wire);
        let window = Window { server: self, id };
        window.level();
        window
    }
}

impl Drop for XServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Wire {
    fn greet(mut stream: UnixStream) -> Self {
        stream.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
        let mut head = [0; 8];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(head[0], 1, "the X server refused");
        let mut rest = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
        stream.read_exact(&mut rest).unwrap();
        let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let vendor = usize::from(u16::from_le_bytes([rest[16], rest[17]])).next_multiple_of(4);
        let root = word(32 + vendor + usize::from(rest[21]) * 8);
        Self { stream, root, next_id: word(4) }
    }

    /// A request that names a window and nothing else.
    fn send(&mut self, code: u8, id: u32) {
        let mut request = vec![code, 0, 2, 0];
        request.extend(id.to_le_bytes());
        self.stream.write_all(&request).unwrap();
    }
}

/// A window.
pub struct Window<'a> {
    server: &'a XServer,
    id: u32,
}

impl Window<'_> {
    pub fn handle(&self) -> u64 {
        u64::from(self.id)
    }

    /// Brightness of the pixel in its middle.
    pub fn level(&self) -> u8 {
        self.image([SIZE.0 / 2, SIZE.1 / 2, 1, 1])[1]
    }

    /// The brightest byte anywhere in it; 0 while nothing was drawn.
    #[allow(dead_code, reason = "for tests that draw real clips")]
    pub fn brightest(&self) -> u8 {
        // The fourth byte of a pixel is of no colour.
        self.image([0, 0, SIZE.0, SIZE.1])
            .chunks(4)
            .filter_map(|p| p[..3].iter().copied().max())
            .max()
            .unwrap_or(0)
    }

    fn image(&self, area: [u16; 4]) -> Vec<u8> {
        let mut wire = self.server.wire.lock().unwrap();
        let mut request = vec![73, 2, 5, 0];
        request.extend(self.id.to_le_bytes());
        for n in area {
            request.extend(n.to_le_bytes());
        }
        request.extend(u32::MAX.to_le_bytes());
        wire.stream.write_all(&request).unwrap();
        loop {
            let mut head = [0; 32];
            wire.stream.read_exact(&mut head).unwrap();
            match head[0] {
                0 => panic!("the X server answers error {}", head[1]),
                1 => {
                    let length = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize * 4;
                    let mut pixels = vec![0; length];
                    wire.stream.read_exact(&mut pixels).unwrap();
                    return pixels;
                }
                _ => {}
            }
        }
    }

    pub fn destroy(self) {
        self.server.wire.lock().unwrap().send(4, self.id);
        // An answer to a later request says that this one is carried out.
        let root = Window { server: self.server, id: self.server.wire.lock().unwrap().root };
        root.level();
    }
}
