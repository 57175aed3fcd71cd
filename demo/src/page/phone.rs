//! The phone: one session, one feed once the person chose interests, and what the page is shown of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;
use unspool::inspector::{self, Figures, Tail};
use unspool::{Bytes, Card, CardView, Conditions, FeedKind, FeedSession, Snapshot, Unspool};

use super::engine::{ENDING, Earlier, Engine, Given, Opening};
use super::native::Pictures;
use super::network::{Choice, InForce};
use super::person;
use super::players::Hub;
use super::report::History;
use super::words;
use crate::origin::Origin;

/// Cards whose likes and reasons are remembered behind the current one.
const BEHIND: u64 = 3;

/// Everything the page's server serves.
pub struct Phone {
    /// The players of the page.
    pub hub: Arc<Hub>,
    /// The pictures of the core's own players.
    pub pictures: Arc<Pictures>,
    /// The server on the far side, where there is one.
    pub origin: Option<Origin>,
    /// Name of this client in the server's log.
    pub client: String,
    /// What the core says of itself, and the log's end.
    pub figures: Figures,
    /// What was the case, over the session.
    pub history: History,
    opening: Opening,
    /// The session, and what those before it counted. Held while something is counted, so that no session is counted twice.
    open: Mutex<Open>,
    /// Held while a session ends or another one is opened.
    switching: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

struct Open {
    session: Unspool,
    engine: Engine,
    number: u64,
    earlier: Earlier,
}

struct State {
    feed: Option<FeedSession>,
    /// What was said of cards when they were moved to.
    cards: BTreeMap<u64, Known>,
    online: bool,
    muted: bool,
    captions: bool,
    /// The page went away while a card played.
    left: bool,
    /// One session ends and another one is opened.
    switching: bool,
    preset: Option<String>,
    network: Option<InForce>,
}

#[derive(Default, Clone)]
struct Known {
    liked: bool,
    followed: bool,
    saved: bool,
    decision: Value,
}

impl Phone {
    /// A phone that shows nothing yet, with its first session.
    pub fn open(
        opening: Opening,
        hub: Arc<Hub>,
        origin: Option<Origin>,
        tail: Tail,
    ) -> Result<Self, unspool::Error> {
        let (online, client) = (origin.is_some(), opening.client.clone());
        let state = State {
            feed: None,
            cards: BTreeMap::new(),
            online,
            muted: true,
            captions: true,
            left: false,
            switching: false,
            preset: None,
            network: None,
        };
        let history = History::default();
        let pictures = Arc::new(Pictures::default());
        let given = Given { engine: Engine::default(), online, captions: true, number: 1 };
        let session = opening.open(given, &hub, &pictures)?;
        let figures = Figures::of(&session, tail);
        let open = Open { session, engine: given.engine, number: given.number, earlier: Earlier::default() };
        Ok(Phone {
            hub,
            pictures,
            origin,
            client,
            figures,
            history,
            opening,
            open: Mutex::new(open),
            switching: tokio::sync::Mutex::new(()),
            state: Mutex::new(state),
            changed: watch::Sender::new(0),
        })
    }

    /// The core.
    pub fn session(&self) -> Unspool {
        self.now().session.clone()
    }

    fn now(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that what the page shows has changed outside of the feed.
    fn touch(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// Grows when something changed that no snapshot of the feed tells.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The open feed.
    pub fn feed(&self) -> Result<FeedSession, unspool::Error> {
        self.state().feed.clone().ok_or(unspool::Error::Config { reason: "choose interests first".into() })
    }

    /// Takes in what the feed has to tell.
    pub fn listen(&self) {
        let _now = self.now();
        self.figures.listen();
    }

    /// Bytes of all sessions.
    pub fn bytes(&self) -> Bytes {
        let now = self.now();
        now.earlier.bytes(&now.session)
    }

    /// Milliseconds of media that all sessions showed.
    pub fn watched_ms(&self) -> u64 {
        let now = self.now();
        now.earlier.watched_ms(&now.session)
    }

    /// Who plays, for the inspector.
    pub fn engine(&self) -> Value {
        let now = self.now();
        let version = match now.engine {
            Engine::Browser => None,
            Engine::Gstreamer => Some(unspool::player_version()),
        };
        json!({ "name": now.engine, "version": version, "session": now.number })
    }

    /// Whether another session is being opened.
    pub fn switches(&self) -> bool {
        self.state().switching
    }

    /// Lets another engine play: ends the session and opens one on the same files. Goes on with the feed, where there was
    /// one. Once begun it has to go to its end: run it in a task of its own.
    ///
    /// Where the session does not open with the engine, the one before is tried again, and the error is given.
    pub async fn switch(&self, engine: Engine) -> Result<(), unspool::Error> {
        let _alone = self.switching.lock().await;
        let (session, before, number) = {
            let now = self.now();
            (now.session.clone(), now.engine, now.number)
        };
        if before == engine {
            return Ok(());
        }
        let feed = self.feed().ok();
        let paused = feed.as_ref().is_some_and(|feed| feed.snapshot().paused);
        self.state().switching = true;
        self.touch();
        // An ended session has no feed that could be listened to.
        self.listen();
        session.shutdown(ENDING).await;
        let opened = match self.another(engine, number + 1).await {
            Ok(()) => Ok(()),
            Err(error) => self.another(before, number + 2).await.and(Err(error)),
        };
        self.state().switching = false;
        let begun = if feed.is_some() { self.begin().await } else { Ok(()) };
        if paused && let Ok(feed) = self.feed() {
            // A feed that ended stands still as it is.
            let _ = feed.set_paused(true);
        }
        self.touch();
        opened.and(begun)
    }

    /// Opens a session in the place of one that has ended.
    async fn another(&self, engine: Engine, number: u64) -> Result<(), unspool::Error> {
        let given = {
            let state = self.state();
            Given { engine, online: state.online, captions: state.captions, number }
        };
        let session = tokio::task::block_in_place(|| self.opening.open(given, &self.hub, &self.pictures))?;
        let mut now = self.now();
        self.figures.follow(&session);
        let ended = now.session.clone();
        now.earlier.add(&ended);
        (now.session, now.engine, now.number) = (session, engine, number);
        let mut state = self.state();
        state.feed = None;
        state.cards.clear();
        Ok(())
    }

    /// Ends the session that is open.
    pub async fn end(&self) -> unspool::ShutdownReport {
        let _alone = self.switching.lock().await;
        self.session().shutdown(ENDING).await
    }

    /// Opens the feed and moves to its first card.
    pub async fn begin(&self) -> Result<(), unspool::Error> {
        let feed = self.session().feed(FeedKind::ForYou)?;
        feed.set_muted(self.state().muted)?;
        {
            let mut state = self.state();
            state.cards.clear();
            state.feed = Some(feed);
        }
        self.touch();
        self.go(true).await
    }

    /// Moves on, or back.
    pub async fn go(&self, forward: bool) -> Result<(), unspool::Error> {
        let feed = self.feed()?;
        let moved = if forward { feed.next().await } else { feed.previous().await };
        let card = moved?;
        self.known(&card).await;
        Ok(())
    }

    /// Uncovers a card.
    pub async fn reveal(&self, position: u64) -> Result<(), unspool::Error> {
        let card = self.feed()?.reveal(position).await?;
        self.known(&card).await;
        Ok(())
    }

    async fn known(&self, card: &Card) {
        let yes = |wish: Result<Option<bool>, unspool::Error>| matches!(wish, Ok(Some(true)));
        let (item, creator) = (&card.item.id, &card.item.creator.id);
        let followed = match self.session().followed(creator).await {
            Ok(Some(followed)) => followed,
            // What this device does not know the backend told with the card.
            _ => card.item.relation.following,
        };
        let known = Known {
            liked: yes(self.session().liked(item).await),
            followed,
            saved: yes(self.session().saved(item).await),
            decision: words::decision(&card.decision),
        };
        let mut state = self.state();
        state.cards.insert(card.position, known);
        let oldest = card.position.saturating_sub(BEHIND);
        state.cards.retain(|position, _| *position >= oldest);
        drop(state);
        self.touch();
    }

    /// Likes an item of the feed.
    pub async fn like(&self, item: &str, position: u64, liked: bool) -> Result<(), unspool::Error> {
        self.session().set_liked(item, liked).await?;
        self.state().cards.entry(position).or_default().liked = liked;
        self.touch();
        Ok(())
    }

    /// Follows the creator of a card.
    pub async fn follow(&self, creator: &str, position: u64, followed: bool) -> Result<(), unspool::Error> {
        self.session().set_followed(creator, followed).await?;
        self.state().cards.entry(position).or_default().followed = followed;
        self.touch();
        Ok(())
    }

    /// Saves an item for later.
    pub async fn save(&self, item: &str, position: u64, saved: bool) -> Result<(), unspool::Error> {
        self.session().set_saved(item, saved).await?;
        self.state().cards.entry(position).or_default().saved = saved;
        self.touch();
        Ok(())
    }

    /// Silences the feed, or gives it sound.
    pub fn mute(&self, muted: bool) -> Result<(), unspool::Error> {
        self.feed()?.set_muted(muted)?;
        self.state().muted = muted;
        self.touch();
        Ok(())
    }

    /// Shows captions or not.
    pub fn captions(&self, on: bool) -> Result<(), unspool::Error> {
        self.session().set_captions(if on { LANGUAGES.map(str::to_owned).to_vec() } else { Vec::new() })?;
        self.state().captions = on;
        self.touch();
        Ok(())
    }

    /// A page has the phone now: what stood still because there was none goes on.
    pub fn came(&self) {
        let mut state = self.state();
        let feed = state.feed.clone().filter(|_| std::mem::take(&mut state.left));
        drop(state);
        if let Some(feed) = feed {
            // A feed that ended has nothing that could go on.
            let _ = feed.set_paused(false);
        }
    }

    /// Nobody looks at the phone any more.
    pub fn left(&self) {
        let mut state = self.state();
        let feed = state.feed.clone().filter(|feed| !feed.snapshot().paused);
        state.left = feed.is_some();
        drop(state);
        if let Some(feed) = feed {
            let _ = feed.set_paused(true);
        }
    }

    /// Takes the server's settings as those in force.
    pub async fn read_network(&self) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(origin) = &self.origin {
            let settings = origin.network().await?;
            self.state().network = Some(InForce::new(settings));
        }
        Ok(())
    }

    /// Chooses a network; the device is told whether there is one, as a phone would be.
    pub async fn choose(
        &self,
        choice: &Choice,
        name: Option<String>,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let origin = self.origin.as_ref().ok_or("there is no server whose network could be changed")?;
        let before = self.state().network.as_ref().map_or(json!({}), |network| network.settings.clone());
        let online = choice.online();
        if !online {
            // The system tells first, then nothing gets through.
            self.session().set_conditions(Conditions { online, ..Conditions::default() });
        }
        let settings = origin.set_network(&choice.settings(&before)).await?;
        if online {
            self.session().set_conditions(Conditions::default());
        }
        let mut state = self.state();
        state.network = Some(InForce::new(settings));
        (state.preset, state.online) = (name, online);
        drop(state);
        self.touch();
        Ok(())
    }

    /// What the server's books say now; null without a server.
    pub async fn books(&self) -> Value {
        let Some(origin) = &self.origin else { return Value::Null };
        let told = origin.books(&self.client, &self.session().installation()).await;
        told.unwrap_or_else(|error| json!({ "error": error.to_string() }))
    }

    /// The network as the inspector shows it.
    pub fn network(&self) -> Value {
        let state = self.state();
        let truth = state
            .network
            .as_ref()
            .map(|network| json!({ "settings": network.settings, "bps": network.bps() }));
        json!({ "preset": state.preset, "online": state.online, "truth": truth })
    }

    /// What the phone shows.
    pub fn shown(&self) -> Value {
        let (session, engine, number) = {
            let now = self.now();
            (now.session.clone(), now.engine, now.number)
        };
        let state = self.state();
        let heard = engine == Engine::Browser || self.opening.sound;
        let player =
            json!({ "engine": engine, "session": number, "switching": state.switching, "heard": heard });
        let Some(feed) = &state.feed else {
            return json!({ "begun": false, "online": state.online, "muted": state.muted, "captions": state.captions, "player": player });
        };
        let now = feed.snapshot();
        let cards: Vec<Value> =
            now.window.iter().map(|view| self.card(&state, &session, engine, view, &now)).collect();
        let cues: Vec<&str> = now.captions.cues.iter().map(|cue| cue.text.as_str()).collect();
        json!({
            "begun": true,
            "player": player,
            "current": now.current,
            "online": state.online,
            "paused": now.paused,
            "resting": now.resting.as_ref().map(person::resting),
            "muted": state.muted,
            "captions": state.captions,
            "cues": cues,
            "cueLanguage": now.captions.language,
            "playheadMs": now.playhead_ms,
            "hidden": now.hidden,
            "cards": cards,
        })
    }

    fn card(
        &self,
        state: &State,
        session: &Unspool,
        engine: Engine,
        view: &CardView,
        now: &Snapshot,
    ) -> Value {
        let item = &view.item;
        let known = state.cards.get(&view.position).cloned().unwrap_or_default();
        let closed = self.figures.closed(view.position).filter(|_| view.covered);
        let closed = closed.map(|decision| words::decision(&decision));
        let late = closed.is_some();
        let decision = closed.unwrap_or(known.decision);
        let address = view.rendition.as_ref().filter(|_| !view.covered && engine == Engine::Browser);
        let address = address.and_then(|rendition| session.gateway_url(&item.asset.id, rendition).ok());
        let chosen = item.asset.renditions.iter().find(|r| Some(&r.id) == view.rendition.as_ref());
        json!({
            "position": view.position,
            "current": now.current == Some(view.position),
            "item": item.id,
            "asset": item.asset.id,
            "creator": { "id": item.creator.id, "handle": item.creator.handle, "name": item.creator.name },
            "caption": item.caption,
            "alt": item.alt_text,
            "topics": item.topics,
            "labels": item.labels,
            "sound": item.sound,
            "durationMs": item.asset.duration_ms,
            "rendition": view.rendition,
            "container": chosen.map(|r| r.container),
            "kbps": chosen.map(|r| r.bitrate_bps / 1_000),
            "stage": inspector::stage(view.stage),
            "aheadMs": view.ahead_ms,
            "covered": view.covered,
            "decision": decision,
            "late": late,
            "liked": known.liked,
            "followed": known.followed,
            "saved": known.saved,
            "address": address,
        })
    }
}

/// Languages of captions the phone asks for, best first.
pub const LANGUAGES: [&str; 3] = ["en", "de", "*"];
