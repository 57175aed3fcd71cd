//! Which cards have a player: the current one plays, the next is pre-rolled to its first frame, the previous is parked.
//!
//! A pre-rolled player is memory and a decoder, so the stage never holds more than [`Stage::new`] was given, and a
//! card is only pre-rolled once its start is held: a player that waits for bytes would promote them over the playing
//! card's.

use serde::{Deserialize, Serialize};

use std::collections::{BTreeMap, VecDeque};

use crate::info::MediaInfo;
use crate::model::MediaKey;

/// Decoded pictures that a player holds: the decoder's references and the ones on their way to the sink.
const PICTURES: u64 = 6;
/// What a player holds besides: threads, compressed samples, the tables of the container.
const BASE_BYTES: u64 = 2_000_000;

/// Memory that a pre-rolled player of this media takes, in bytes.
///
/// Fits what was measured with one decoder thread: 10.2 MB at 720x1280, 6.0 MB at 480x854, 3.5 MB at 240x426.
#[must_use]
pub fn player_bytes(info: &MediaInfo) -> u64 {
    let picture = u64::from(info.width) * u64::from(info.height) * 3 / 2;
    BASE_BYTES.saturating_add(picture.saturating_mul(PICTURES))
}

/// Names one player from its preparation until it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlayerId(pub u64);

/// What the driver is to do with players.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageOutput {
    /// Build a player and bring it to its first frame.
    Prepare {
        /// Name of the player.
        player: PlayerId,
        /// What it plays.
        key: MediaKey,
    },
    /// Show it and let it run.
    Play(PlayerId),
    /// Stop it where it is.
    Pause(PlayerId),
    /// Take it down.
    Release(PlayerId),
}

/// What the stage knows of a card near the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// Position in the feed.
    pub position: u64,
    /// Its rendition.
    pub key: MediaKey,
    /// Whether its layout is known, so that a pipeline can be built.
    pub known: bool,
    /// Whether its start is held.
    pub startable: bool,
    /// Memory that its player takes, in bytes.
    pub bytes: u64,
}

#[derive(Debug)]
struct Actor {
    player: PlayerId,
    key: MediaKey,
    bytes: u64,
    playing: bool,
    failed: bool,
}

/// The players in use.
#[derive(Debug)]
pub struct Stage {
    most: usize,
    most_bytes: u64,
    actors: BTreeMap<u64, Actor>,
    next_id: u64,
    paused: bool,
    out: VecDeque<StageOutput>,
}

impl Stage {
    /// A stage with at most `most` players, one of them for the current card.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Stage {
            most: most.max(1),
            most_bytes: u64::MAX,
            actors: BTreeMap::new(),
            next_id: 0,
            paused: false,
            out: VecDeque::new(),
        }
    }

    /// The host says how many decoders and how much memory players may take from the next
    /// [`handle_window`](Stage::handle_window) on. The current card always has a player.
    pub fn set_budget(&mut self, players: usize, bytes: u64) {
        self.most = players.max(1);
        self.most_bytes = bytes;
    }

    /// Brings the players in line with the window: `near` holds the previous, the current and the following cards. Places
    /// between them may be empty.
    pub fn handle_window(&mut self, current: u64, near: &[Near]) {
        let before = near.iter().map(|n| n.position).filter(|&p| p < current).max();
        let after = near.iter().map(|n| n.position).filter(|&p| p > current).min();
        let parked = |n: &&Near| Some(n.position) == before && self.actors.contains_key(&n.position);
        let wanted: Vec<&Near> = near
            .iter()
            .filter(|n| n.position == current)
            .chain(near.iter().filter(|n| Some(n.position) == after))
            .chain(near.iter().filter(parked))
            .take(self.most)
            .scan(0_u64, |taken, near| {
                *taken =
                    taken.saturating_add(self.actors.get(&near.position).map_or(near.bytes, |a| a.bytes));
                Some((near, *taken))
            })
            .filter(|(near, taken)| near.position == current || *taken <= self.most_bytes)
            .map(|(near, _)| near)
            .collect();
        let stays = |position: &u64, actor: &Actor| {
            wanted.iter().any(|n| n.position == *position && n.key == actor.key)
        };
        let gone: Vec<u64> = self.actors.iter().filter(|(p, a)| !stays(p, a)).map(|(p, _)| *p).collect();
        for position in gone {
            self.release(position);
        }
        for (position, actor) in &mut self.actors {
            if *position != current && actor.playing {
                actor.playing = false;
                self.out.push_back(StageOutput::Pause(actor.player));
            }
        }
        for near in wanted {
            let due = if near.position == current { near.known } else { near.startable };
            if due && near.position >= current && !self.actors.contains_key(&near.position) {
                self.next_id += 1;
                let player = PlayerId(self.next_id);
                let (key, bytes) = (near.key.clone(), near.bytes);
                let actor = Actor { player, key, bytes, playing: false, failed: false };
                self.actors.insert(near.position, actor);
                self.out.push_back(StageOutput::Prepare { player, key: near.key.clone() });
            }
        }
        self.play(current);
    }

    /// Stops or lets run the current card: the app went to the background, or the person tapped.
    pub fn handle_paused(&mut self, current: Option<u64>, paused: bool) {
        self.paused = paused;
        let Some(current) = current else { return };
        if !paused {
            self.play(current);
        } else if let Some(actor) = self.actors.get_mut(&current).filter(|a| a.playing) {
            actor.playing = false;
            self.out.push_back(StageOutput::Pause(actor.player));
        }
    }

    /// A player gave up and is released. With `again` its card gets a new one on the next
    /// [`handle_window`](Stage::handle_window), else none while it stays near.
    pub fn handle_failed(&mut self, player: PlayerId, again: bool) {
        if again && let Some(position) = self.position(player) {
            self.release(position);
        } else if let Some(actor) = self.actors.values_mut().find(|a| a.player == player && !a.failed) {
            actor.failed = true;
            actor.playing = false;
            self.out.push_back(StageOutput::Release(player));
        }
    }

    /// Lets cards whose players gave up have new ones.
    pub fn forget_failed(&mut self) {
        self.actors.retain(|_, actor| !actor.failed);
    }

    /// What players read from is gone: each is taken down, and its card gets a new one on the next
    /// [`handle_window`](Stage::handle_window).
    pub fn handle_lost(&mut self) {
        self.handle_end();
    }

    /// Takes every player down.
    pub fn handle_end(&mut self) {
        let all: Vec<u64> = self.actors.keys().copied().collect();
        for position in all {
            self.release(position);
        }
    }

    /// What to do next; ask until `None`.
    pub fn poll_output(&mut self) -> Option<StageOutput> {
        self.out.pop_front()
    }

    /// The card a player belongs to.
    #[must_use]
    pub fn position(&self, player: PlayerId) -> Option<u64> {
        self.actors.iter().find(|(_, a)| a.player == player).map(|(p, _)| *p)
    }

    /// What a player plays.
    #[must_use]
    pub fn key(&self, player: PlayerId) -> Option<&MediaKey> {
        self.actors.values().find(|a| a.player == player).map(|a| &a.key)
    }

    /// Whether any card has a player for this rendition.
    #[must_use]
    pub fn has(&self, key: &MediaKey) -> bool {
        self.actors.values().any(|a| a.key == *key && !a.failed)
    }

    /// The player of a card, unless it failed.
    #[must_use]
    pub fn player(&self, position: u64) -> Option<PlayerId> {
        self.actors.get(&position).filter(|a| !a.failed).map(|a| a.player)
    }

    fn play(&mut self, current: u64) {
        if let Some(actor) = self.actors.get_mut(&current).filter(|a| !a.playing && !a.failed)
            && !self.paused
        {
            actor.playing = true;
            self.out.push_back(StageOutput::Play(actor.player));
        }
    }

    fn release(&mut self, position: u64) {
        if let Some(actor) = self.actors.remove(&position).filter(|a| !a.failed) {
            self.out.push_back(StageOutput::Release(actor.player));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn near(position: u64, startable: bool) -> Near {
        Near { position, key: MediaKey::new(&position.to_string(), "r"), known: true, startable, bytes: 10 }
    }

    fn window(current: u64, startable: bool) -> Vec<Near> {
        (current.saturating_sub(1)..current + 3).map(|p| near(p, startable)).collect()
    }

    fn drain(stage: &mut Stage) -> Vec<StageOutput> {
        std::iter::from_fn(|| stage.poll_output()).collect()
    }

    #[test]
    fn a_swipe_plays_what_was_prepared_and_parks_the_last() {
        let mut stage = Stage::new(3);
        stage.handle_window(0, &window(0, false));
        assert_eq!(drain(&mut stage).len(), 2, "prepare and play; the next has no start yet");
        stage.handle_window(0, &window(0, true));
        let next = drain(&mut stage);
        assert!(matches!(next[..], [StageOutput::Prepare { player: PlayerId(2), .. }]), "{next:?}");
        stage.handle_window(1, &window(1, true));
        let out = drain(&mut stage);
        assert!(
            out.contains(&StageOutput::Pause(PlayerId(1))) && out.contains(&StageOutput::Play(PlayerId(2))),
            "{out:?}"
        );
        stage.handle_window(0, &window(0, true));
        let out = drain(&mut stage);
        assert!(out.contains(&StageOutput::Play(PlayerId(1))), "going back needs no new player: {out:?}");
    }

    #[test]
    fn a_smaller_budget_lets_the_previous_go_first_then_the_next() {
        let mut stage = Stage::new(3);
        for current in [0, 1] {
            stage.handle_window(current, &window(current, true));
        }
        drain(&mut stage);
        stage.set_budget(3, 29);
        stage.handle_window(1, &window(1, true));
        assert_eq!(drain(&mut stage), vec![StageOutput::Release(PlayerId(1))], "the parked one");
        stage.set_budget(1, 100);
        stage.handle_window(1, &window(1, true));
        assert_eq!(drain(&mut stage), vec![StageOutput::Release(PlayerId(3))], "the next one");
        stage.set_budget(3, 0);
        stage.handle_window(2, &window(2, true));
        let out = drain(&mut stage);
        assert!(
            matches!(out[..], [StageOutput::Release(_), StageOutput::Prepare { .. }, StageOutput::Play(_)]),
            "{out:?}"
        );
    }

    #[test]
    fn a_failed_player_is_released_once_and_not_rebuilt() {
        let mut stage = Stage::new(3);
        stage.handle_window(0, &window(0, false));
        drain(&mut stage);
        stage.handle_failed(PlayerId(1), false);
        stage.handle_failed(PlayerId(1), false);
        stage.handle_window(0, &window(0, false));
        assert_eq!(drain(&mut stage), vec![StageOutput::Release(PlayerId(1))]);
        stage.handle_window(1, &window(1, false));
        assert!(!drain(&mut stage).contains(&StageOutput::Release(PlayerId(1))));
    }

    proptest! {
        #[test]
        fn never_more_players_than_allowed_and_none_is_lost(
            most in 1usize..5,
            steps in prop::collection::vec((0u64..6, any::<bool>(), any::<bool>()), 1..40),
        ) {
            let mut stage = Stage::new(most);
            let (mut alive, mut playing) = (BTreeSet::new(), BTreeSet::new());
            for (current, startable, paused) in steps {
                stage.handle_window(current, &window(current, startable));
                stage.handle_paused(Some(current), paused);
                for output in drain(&mut stage) {
                    match output {
                        StageOutput::Prepare { player, .. } => prop_assert!(alive.insert(player)),
                        StageOutput::Play(p) => { prop_assert!(alive.contains(&p)); playing.insert(p); }
                        StageOutput::Pause(p) => { playing.remove(&p); }
                        StageOutput::Release(p) => { prop_assert!(alive.remove(&p)); playing.remove(&p); }
                    }
                }
                prop_assert!(alive.len() <= most, "{} of {most}", alive.len());
                prop_assert!(playing.len() <= 1);
            }
            stage.handle_end();
            for output in drain(&mut stage) {
                if let StageOutput::Release(p) = output { alive.remove(&p); }
            }
            prop_assert!(alive.is_empty());
        }
    }
}
