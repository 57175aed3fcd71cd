//! Who plays on the phone: the browser's `<video>` elements, or the core's own players, whose pictures the page is given.
//!
//! A session is opened with its engine, so changing it closes the session and opens another one on the same files: the feed,
//! what waits to be sent, what was learnt and the cache are those of before.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use unspool::{Bytes, Config, Credentials, PlayerEngine, Traffic, Unspool};

use super::native::{Pictures, Wall};
use super::phone;
use super::players::{Factory, Hub};
use crate::headless::core_dir;

/// Closing may take this long: what can be sent is sent first.
pub const ENDING: Duration = Duration::from_secs(5);

/// Who plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// The `<video>` elements of the page, over the core's gateway.
    #[default]
    Browser,
    /// The core's own players.
    Gstreamer,
}

/// What every session of this run is opened with.
#[derive(Debug)]
pub struct Opening {
    /// The state directory.
    pub state: PathBuf,
    /// Where the server is.
    pub url: String,
    /// Name and account of this client.
    pub client: String,
    /// Where the first session's tape goes; those after it go beside it.
    pub tape: Option<PathBuf>,
    /// Whether the core's own players sound on this machine.
    pub sound: bool,
}

/// What a session begins with that the one before had.
#[derive(Debug, Clone, Copy)]
pub struct Given {
    /// Who plays.
    pub engine: Engine,
    /// Whether there is a network.
    pub online: bool,
    /// Whether captions are wanted.
    pub captions: bool,
    /// The session's number in this run, from 1.
    pub number: u64,
}

impl Opening {
    /// Opens a session. Blocks: it touches the disk.
    pub fn open(
        &self,
        given: Given,
        hub: &Arc<Hub>,
        pictures: &Arc<Pictures>,
    ) -> Result<Unspool, unspool::Error> {
        let credentials = Credentials::Fixed(self.client.clone());
        let mut config = Config::new(core_dir(&self.state), &self.url, &self.client, credentials)?;
        config.conditions.online = given.online;
        config.telemetry.send_every = Duration::from_secs(2);
        config.tape = self.tape.as_ref().map(|first| tape(first, given.number));
        if given.captions {
            config.captions = phone::LANGUAGES.map(str::to_owned).to_vec();
        }
        config.engine = match given.engine {
            Engine::Browser => {
                PlayerEngine::Platform { factory: Arc::new(Factory(Arc::clone(hub))), files: false }
            }
            Engine::Gstreamer => {
                config.player.sound = self.sound;
                PlayerEngine::Screens(Arc::new(Wall {
                    pictures: Arc::clone(pictures),
                    session: given.number,
                }))
            }
        };
        Unspool::open(config)
    }
}

/// The tape of a session: the first has the name that was asked for, later ones a number behind it.
fn tape(first: &std::path::Path, number: u64) -> PathBuf {
    if number == 1 {
        return first.to_owned();
    }
    let mut name = first.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// What sessions before this one counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Earlier {
    bytes: Bytes,
    watched_ms: u64,
}

impl Earlier {
    /// Adds a session that has ended.
    pub fn add(&mut self, session: &Unspool) {
        *self = Earlier { bytes: self.bytes(session), watched_ms: self.watched_ms(session) };
    }

    /// The bytes of all sessions; on disk is what is there now.
    #[must_use]
    pub fn bytes(&self, session: &Unspool) -> Bytes {
        let (mut sum, before) = (session.bytes(), &self.bytes);
        sum.network += before.network;
        sum.media += before.media;
        sum.from_cache += before.from_cache;
        sum.duplicate += before.duplicate;
        sum.wasted += before.wasted;
        for (sum, before) in [
            (&mut sum.by_purpose.playback, before.by_purpose.playback),
            (&mut sum.by_purpose.next, before.by_purpose.next),
            (&mut sum.by_purpose.prefetch, before.by_purpose.prefetch),
            (&mut sum.by_purpose.offline, before.by_purpose.offline),
            (&mut sum.by_purpose.probe, before.by_purpose.probe),
        ] {
            *sum = Traffic {
                network: sum.network + before.network,
                from_cache: sum.from_cache + before.from_cache,
                duplicate: sum.duplicate + before.duplicate,
                wasted: sum.wasted + before.wasted,
            };
        }
        sum
    }

    /// Milliseconds of media that all sessions showed.
    #[must_use]
    pub fn watched_ms(&self, session: &Unspool) -> u64 {
        self.watched_ms + session.watched_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_session_writes_over_the_tape_of_another() {
        let first = std::path::Path::new("some where/session.tape");
        assert_eq!(tape(first, 1), first);
        assert_eq!(tape(first, 2), std::path::Path::new("some where/session.tape.2"));
    }
}
