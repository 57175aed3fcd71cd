//! What every part of a session shares: the rooms, opened once, and the tasks that keep them.
//!
//! Opening goes from the lock outwards: the media room owns the directory, so a second session fails there before it
//! touches a database. Closing goes the other way round and within a stated time.

mod ending;
mod errors;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use unspool_engine::safety::SafetySettings;
use unspool_engine::schema;
use unspool_engine::{Circumstances, Conditions, Exit, Impression, MediaKey, SavedFeed};
use unspool_media::tasks;
use unspool_media::{
    LocalFile, Location, Media, MediaConfig, Outbound, OutboundPurpose, ResolveError, UrlResolver, Wire,
};

use crate::auth::Auth;
use crate::backend::{Backend, BackendError, Hosted, Located, Native, check};
use crate::beside::is_beside;
use crate::clock::Clock;
use crate::config::Config;
use crate::erase;
use crate::error::Error;
use crate::gate::Gate;
use crate::keep::KeepRoom;
use crate::lanes::Lanes;
use crate::learning::LearningRoom;
use crate::meter::Meter;
use crate::outbox::{Outbox, Verb};
use crate::owner;
use crate::records;
use crate::reports::ReportRoom;
use crate::safety::SafetyRoom;
use crate::settings::SettingsRoom;
use crate::snapshot::{Bytes, Outgoing};
use crate::spool::{self, Class, Rules, Spool, SpoolError, SpoolLimits};
use crate::store::SessionStore;
use crate::taping::Tape;
use crate::wellbeing::{ServerTime, WellbeingRoom};
use crate::wishes::Board;
use crate::work::blocking;

use ending::erase_files;
use errors::tls_error;
pub(crate) use errors::{media_error, outbox_error, spool_error, store_error};

/// A feed as it is to be written down.
#[derive(Debug, Clone)]
struct Save {
    feed: String,
    saved: SavedFeed,
    wall_ms: i64,
}

/// The rooms of a session.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) session: String,
    pub(crate) seed: u64,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) media: Arc<Media>,
    pub(crate) gate: Gate,
    pub(crate) board: Board,
    pub(crate) keep: KeepRoom,
    pub(crate) safety: SafetyRoom,
    pub(crate) settings: SettingsRoom,
    pub(crate) wellbeing: Arc<WellbeingRoom>,
    pub(crate) reports: ReportRoom,
    pub(crate) learning: LearningRoom,
    pub(crate) store: Arc<SessionStore>,
    pub(crate) spool: Spool,
    pub(crate) outbox: Outbox,
    pub(crate) outbound: Outbound,
    auth: Auth,
    /// Without a backend what is to be sent waits on the device.
    lanes: Option<Lanes>,
    meter: Meter,
    cost: watch::Sender<Circumstances>,
    watched_ms: AtomicU64,
    viewings: AtomicU64,
    /// The viewing that is open, as it was last written ahead.
    viewing: Mutex<Option<Impression>>,
    saves: watch::Sender<Option<Save>>,
    saver: Mutex<Option<JoinHandle<()>>>,
    /// Where everything the feeds are told and do is written, if it is.
    pub(crate) tape: Option<Tape>,
    #[cfg(feature = "inspector")]
    pub(crate) inspectors: crate::inspector::Inspectors,
}

impl Core {
    pub(crate) fn open(config: Config, handle: &Handle) -> Result<Arc<Self>, Error> {
        let dir = config.data_dir.clone();
        let session = uuid::Uuid::now_v7();
        let seed = session.as_u64_pair().1;
        let meter = Meter::default();
        crate::tls::install();
        let trust = config.tls.client_config().map_err(|e| tls_error(&e))?;
        let client = reqwest::Client::builder()
            .user_agent(concat!("unspool/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.request_timeout)
            .redirect(reqwest::redirect::Policy::none())
            // A proxy of the environment would be a host that nobody listed.
            .no_proxy()
            .tls_backend_preconfigured(trust)
            .build()
            .map_err(|e| Error::Internal { reason: format!("http client: {e}") })?;
        let outbound = Outbound::within(config.reach());
        let client = Wire::new(client, outbound.clone(), OutboundPurpose::Feed);
        let auth = Auth::new(config.credentials.clone(), config.request_timeout);
        let time = ServerTime::default();
        let backend: Arc<dyn Backend> = match (&config.host, &config.backend) {
            (Some(host), _) => Arc::new(Hosted::new(Arc::clone(host), config.request_timeout)),
            (None, Some(base)) => {
                let (client, within) = (client.clone(), config.request_timeout);
                let native = Native::new(client, base.clone(), auth.clone(), within, meter.clone());
                Arc::new(native.telling(time.clone()))
            }
            (None, None) => {
                return Err(Error::Config { reason: "neither a backend nor a host backend is given".into() });
            }
        };
        // What was to be erased when the process ended is erased before anything is read.
        erase::finish(&dir)?;
        let media_config = MediaConfig {
            resolver: Some(Arc::new(Resolver(Arc::clone(&backend)))),
            tls: config.tls.clone(),
            cmcd: config.cmcd,
            outbound: outbound.clone(),
            ..MediaConfig::new(dir.join("media"))
        };
        let media = Media::open(media_config, handle.clone()).map_err(|e| media_error(&e))?;
        media.set_offline(!config.conditions.online);
        let store = SessionStore::open(&dir.join("session.db")).map_err(|e| store_error(&e))?;
        let store = Arc::new(store);
        let settings = SettingsRoom::open(Arc::clone(&store), &config).map_err(|e| store_error(&e))?;
        let limits = SpoolLimits::default();
        let events = owner::events_of(&dir, &config.account)
            .map_err(|e| Error::Storage { reason: format!("telemetry: {e}") })?;
        let spool = Spool::open_with(events, limits, Rules::Schema, settings.consent())
            .map_err(|e| spool_error(&e))?;
        let outbox = Outbox::open(dir.join("outbox.db")).map_err(|e| outbox_error(&e))?;
        // An erasure that a kill cut short is finished before anything is sent.
        if outbox.is_erasing().map_err(|e| outbox_error(&e))? {
            erase_files(&dir, &spool).wait().map_err(|e| spool_error(&e))?;
            outbox.erased().map_err(|e| outbox_error(&e))?;
        }

        let cost = Circumstances { metered: config.conditions.metered, ..Circumstances::default() };
        let lanes = config.backend.clone().map(|base| {
            Lanes::start(base, &config, &auth, (&spool, &outbox), (client, &meter), seed, handle)
        });

        let clock = Clock::start();
        let keeping = (config.keep.clone(), config.conditions, seed);
        let keep = KeepRoom::open(Arc::clone(&media), Arc::clone(&store), clock, keeping)
            .map_err(|e| store_error(&e))?;
        keep.start(handle);
        let keys = config.safety_keys.clone();
        let reports = ReportRoom::open(Arc::clone(&store), &config.account).map_err(|e| store_error(&e))?;
        let safety = SafetyRoom::open(Arc::clone(&store), keys, &config.account, reports.items())
            .map_err(|e| store_error(&e))?;
        let (age, zone) = (safety.settings().age, config.utc_offset_min);
        let wellbeing = WellbeingRoom::open(Arc::clone(&store), &config.account, age, zone);
        let wellbeing = Arc::new(wellbeing.map_err(|e| store_error(&e))?);
        time.goes_to(&wellbeing);
        let interests = outbox.interests(&config.account).map_err(|e| outbox_error(&e))?;
        let ranking = config.ranking.clone();
        let learning = LearningRoom::open(Arc::clone(&store), ranking, &config.account, interests)
            .map_err(|e| store_error(&e))?;
        let (saves, saved) = watch::channel(None);
        let saver = tasks::spawn_on(handle, keep_saving(Arc::clone(&store), saved));
        let board = Board::new(&config, settings.in_force());
        let tape = config.tape.as_deref().map(Tape::open).transpose()?;
        let core = Arc::new(Core {
            tape,
            config,
            board,
            clock,
            session: session.to_string(),
            seed,
            backend,
            media,
            gate: Gate::new(handle),
            keep,
            safety,
            settings,
            wellbeing,
            reports,
            learning,
            store,
            spool,
            outbox,
            outbound,
            auth,
            lanes,
            meter,
            cost: watch::Sender::new(cost),
            watched_ms: AtomicU64::new(0),
            viewings: AtomicU64::new(0),
            viewing: Mutex::new(None),
            saves,
            saver: Mutex::new(Some(saver)),
            #[cfg(feature = "inspector")]
            inspectors: crate::inspector::Inspectors::default(),
        });
        // What a kill kept out of the outbox goes into it now.
        core.send_reports()?;
        core.tell_cost();
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "a session is open");
        Ok(core)
    }

    /// Writes a feed down soon; a newer one replaces one that still waits.
    pub(crate) fn save(&self, feed: &str, saved: SavedFeed) {
        let wall_ms = Clock::wall().unix_ms;
        self.saves.send_replace(Some(Save { feed: feed.to_owned(), saved, wall_ms }));
    }

    /// A viewing has ended, in which so much of the media was shown.
    pub(crate) fn add_viewing(&self, ms: u64) {
        self.watched_ms.fetch_add(ms, Ordering::Relaxed);
        self.viewings.fetch_add(1, Ordering::Relaxed);
    }

    /// Viewings that ended in this session.
    #[cfg(feature = "inspector")]
    pub(crate) fn viewings(&self) -> u64 {
        self.viewings.load(Ordering::Relaxed)
    }

    pub(crate) fn watched_ms(&self) -> u64 {
        self.watched_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_viewing(&self, viewing: Option<Impression>) {
        *self.viewing.lock().unwrap_or_else(PoisonError::into_inner) = viewing;
    }

    /// Records the viewing that a fault left open, as it was last written ahead.
    pub(crate) async fn close_viewing(&self) -> Result<(), Error> {
        let open = self.viewing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(open) = open else { return Ok(()) };
        self.add_viewing(open.active_ms);
        let record = records::impression(&self.session, &Impression { exit: Some(Exit::Killed), ..open });
        match self.spool.close_ahead(records::SLOT, &record).await {
            Ok(_) | Err(SpoolError::Consent) => Ok(()),
            Err(e) => Err(spool_error(&e)),
        }
    }

    /// Records an event of the app, which the compiled schema must list.
    pub(crate) fn told(
        &self,
        name: &str,
        attributes: Vec<(String, spool::Value)>,
    ) -> Result<spool::Event, Error> {
        // The core alone knows what was rendered.
        let schema = schema::find(name).filter(|schema| schema.name != schema::IMPRESSION);
        let schema =
            schema.ok_or_else(|| Error::Config { reason: "no such event for apps to record".into() })?;
        Ok(spool::Event {
            name: name.to_owned(),
            wall_ms: Clock::wall().unix_ms,
            session: self.session.clone(),
            class: Class::from(schema.worth),
            attributes,
        })
    }

    pub(crate) fn record(&self, event: &spool::Event) -> Result<(), Error> {
        self.spool.record(event).map_err(|e| spool_error(&e))
    }

    /// Gives `false` when the person did not agree to what the event is for.
    pub(crate) async fn record_durable(&self, event: &spool::Event) -> Result<bool, Error> {
        match self.spool.record_durable(event).await {
            Ok(_) => Ok(true),
            Err(SpoolError::Consent) => Ok(false),
            Err(e) => Err(spool_error(&e)),
        }
    }

    /// Writes down what rooms keep in memory for a while.
    pub(crate) async fn settle_records(self: &Arc<Self>) -> Result<(), Error> {
        self.keep.settle().await;
        self.write_learnt().await;
        let core = Arc::clone(self);
        blocking(move || if core.store.is_open() { core.wellbeing.save(true) } else { Ok(()) }).await
    }

    pub(crate) async fn set_safety(self: Arc<Self>, settings: SafetySettings) -> Result<(), Error> {
        blocking(move || {
            // How old somebody is decides what is guarded, so the guard is asked first.
            let age = settings.age;
            self.wellbeing.may_be(age)?;
            self.safety.set_settings(settings)?;
            let done = self.wellbeing.set_age(age);
            self.settings_changed();
            done
        })
        .await
    }

    pub(crate) async fn set_rules(self: Arc<Self>, signed: Vec<u8>) -> Result<u64, Error> {
        blocking(move || {
            let version = self.safety.set_rules(&signed)?;
            self.settings_changed();
            Ok(version)
        })
        .await
    }

    /// Hides what a creator makes, or shows it again, on this device at once and at the backend when it can be.
    pub(crate) async fn set_blocked(self: Arc<Self>, creator: String, blocked: bool) -> Result<(), Error> {
        let mut settings = self.safety.settings();
        if blocked {
            settings.blocked.insert(creator.clone());
        } else {
            settings.blocked.remove(&creator);
        }
        Arc::clone(&self).set_safety(settings).await?;
        self.intend(Verb::Block, creator, blocked).await
    }

    pub(crate) async fn interests(self: Arc<Self>) -> Result<Vec<String>, Error> {
        blocking(move || {
            let chosen = self.outbox.interests(&self.config.account).map_err(|e| outbox_error(&e))?;
            Ok(chosen.into_iter().collect())
        })
        .await
    }

    pub(crate) async fn set_interests(self: Arc<Self>, topics: Vec<String>) -> Result<(), Error> {
        if let Some(wrong) = topics.iter().find(|topic| !check::id_fits(topic)) {
            let reason = format!("{:?} cannot be a topic", wrong.chars().take(32).collect::<String>());
            return Err(Error::Config { reason });
        }
        blocking(move || {
            let topics: std::collections::BTreeSet<String> = topics.into_iter().collect();
            let account = &self.config.account;
            let done = self.outbox.set_interests(&topics, account, Clock::wall().unix_ms);
            self.nudge();
            self.settings_changed();
            done.map_err(|e| outbox_error(&e))?;
            // They count from now on, with or without a network.
            let chosen = |pipeline: &mut unspool_engine::pipeline::Pipeline| {
                pipeline.handle_interests(topics.iter().cloned());
                true
            };
            self.learning.change(chosen).map(drop)
        })
        .await
    }

    /// Writes down what the feeds learnt.
    pub(crate) async fn write_learnt(self: &Arc<Self>) {
        let core = Arc::clone(self);
        if let Err(error) = blocking(move || core.learning.write()).await {
            tracing::warn!(%error, "what was learnt last is not written down");
        }
    }

    /// What was just decided is sent soon.
    pub(crate) fn nudge(&self) {
        if let Some(lanes) = &self.lanes {
            lanes.nudge();
        }
    }

    pub(crate) async fn intend(
        self: Arc<Self>,
        verb: Verb,
        target: String,
        state: bool,
    ) -> Result<(), Error> {
        blocking(move || {
            let done = self.outbox.set(verb, &target, state, &self.config.account, Clock::wall().unix_ms);
            self.nudge();
            done.map(drop).map_err(|e| outbox_error(&e))
        })
        .await
    }

    pub(crate) async fn wish(self: Arc<Self>, verb: Verb, target: String) -> Result<Option<bool>, Error> {
        blocking(move || self.outbox.state(verb, &target, &self.config.account).map_err(|e| outbox_error(&e)))
            .await
    }

    pub(crate) fn set_conditions(&self, conditions: Conditions) {
        self.keep.set_conditions(conditions);
        if let Some(lanes) = &self.lanes {
            lanes.set_conditions(conditions);
        }
        self.cost.send_modify(|cost| cost.metered = conditions.metered);
        self.tell_cost();
    }

    /// What sending costs, beyond the conditions a feed is fetched under.
    pub(crate) fn set_power(&self, roaming: bool, low_power: bool) {
        self.cost.send_modify(|cost| (cost.roaming, cost.low_power) = (roaming, low_power));
        self.tell_cost();
    }

    fn tell_cost(&self) {
        if let Some(lanes) = &self.lanes {
            lanes.set_cost(*self.cost.borrow());
        }
    }

    /// Somebody signed in: a new token is asked for, and what was held for want of one goes on.
    pub(crate) fn signed_in(&self) {
        self.auth.signed_in();
        self.keep.signed_in();
        if let Some(lanes) = &self.lanes {
            lanes.refreshed();
        }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let counts = self.media.counts();
        Bytes {
            network: counts.network + self.meter.received(),
            media: counts.network,
            from_cache: counts.from_cache,
            duplicate: counts.duplicate,
            wasted: counts.wasted,
            on_disk: self.media.usage(),
            by_purpose: counts.by_purpose,
        }
    }

    pub(crate) fn outgoing(&self) -> Outgoing {
        let level = self.spool.level();
        let intents = self.outbox.level();
        Outgoing {
            recorded: level.counters.recorded,
            delivered: level.counters.delivered,
            queued: level.queued_rows,
            dropped: level.counters.dropped.total(),
            quarantined: level.counters.quarantined,
            intents: intents.queued_total,
            intents_delivered: intents.delivered_total,
            intents_queued: intents.pending,
            intents_wedged: intents.wedged,
            intents_settled: intents.folded_total + intents.dismissed_total + intents.damaged_total,
        }
    }

    /// A rendition as a file, where all of it is here.
    pub(crate) async fn file(self: Arc<Self>, key: MediaKey) -> Result<LocalFile, Error> {
        blocking(move || self.media.complete_file(&key).map_err(|e| media_error(&e))).await
    }

    pub(crate) async fn flush(&self, within: Duration) {
        if let Some(lanes) = &self.lanes {
            lanes.flush(within).await;
        }
    }
}

/// Writes feeds down one after another, the newest of each wait; ends after an empty one.
async fn keep_saving(store: Arc<SessionStore>, mut saves: watch::Receiver<Option<Save>>) {
    while saves.changed().await.is_ok() {
        let Some(save) = saves.borrow_and_update().clone() else { return };
        let store = Arc::clone(&store);
        let written = blocking(move || {
            store.save_feed(&save.feed, &save.saved, save.wall_ms).map_err(|e| store_error(&e))
        });
        if let Err(e) = written.await {
            tracing::warn!(%e, "the feed was not saved");
        }
    }
}

#[derive(Debug)]
struct Resolver(Arc<dyn Backend>);

impl UrlResolver for Resolver {
    fn resolve(&self, key: &MediaKey) -> BoxFuture<'_, Result<Location, ResolveError>> {
        let key = key.clone();
        Box::pin(async move {
            // Backends find renditions again, and no files beside them.
            if is_beside(&key) {
                return Err(ResolveError::Gone);
            }
            match self.0.locate(&key).await {
                Ok(Located { url, alternates, expires_at_ms }) => {
                    Ok(Location { url, alternates, expires_at_ms })
                }
                Err(e) if e.retryable() => Err(ResolveError::Unavailable),
                Err(BackendError::SignIn) => Err(ResolveError::SignIn),
                Err(_) => Err(ResolveError::Gone),
            }
        })
    }
}
