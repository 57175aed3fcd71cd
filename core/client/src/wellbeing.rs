//! What a session knows of a person's time: the machine of the engine, its record, and the guardian's passcode.
//!
//! One machine for the whole session, whichever feed is open. The open feed tells it what was rendered and asks it before
//! every card; the app reads a view by revision. The record is written whenever the machine says so, newest state last:
//! who writes holds a lock of its own while it takes the text and hands it to the disk.

mod passcode;
mod server_time;

use std::sync::atomic::{AtomicBool, AtomicI16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use unspool_engine::safety::AgeBand;
use unspool_engine::wellbeing::{
    Break, Choices, GuardError, Limits, Moment, Recap, Wellbeing, WellbeingError, WellbeingView,
};
use unspool_media::tasks;

use crate::clock::Clock;
use crate::driver::{Control, Input};
use crate::erase::guarding;
use crate::error::Error;
use crate::session::Unspool;
use crate::store::{SessionStore, StoreError};
use crate::work::blocking;

pub(crate) use server_time::ServerTime;

/// The record of the zone that was told last.
const ZONE: &str = "zone";
/// Furthest zones from UTC, in minutes.
const ZONES: std::ops::RangeInclusive<i16> = -12 * 60..=14 * 60;

/// A view of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WellbeingState {
    /// Grows with every change, a second of watching among them; ask with it for the next one.
    pub revision: u64,
    /// Everything an app shows.
    pub view: WellbeingView,
}

/// The machine of a session.
#[derive(Debug)]
pub(crate) struct WellbeingRoom {
    store: Arc<SessionStore>,
    record: String,
    machine: Mutex<Wellbeing>,
    /// Held while a record is taken and written, so that an older one cannot come after a newer one.
    writing: Mutex<()>,
    /// Whether a write is under way that nobody waits for.
    saving: AtomicBool,
    zone: AtomicI16,
    state: watch::Sender<WellbeingState>,
}

impl WellbeingRoom {
    /// Takes up what an earlier session left. A record that cannot be read counts as none.
    pub(crate) fn open(
        store: Arc<SessionStore>,
        account: &str,
        age: AgeBand,
        zone: Option<i16>,
    ) -> Result<Self, StoreError> {
        let record = format!("wellbeing:{account}");
        let told = store.recall(ZONE)?.and_then(|zone| zone.parse().ok());
        let zone = zone.or(told).filter(|zone| ZONES.contains(zone)).unwrap_or(0);
        let now = Clock::moment(zone);
        let text = match store.recall(&record)? {
            // What guards the person outlives the erasure of the account.
            None => store.recall(&guarding("wellbeing", account))?,
            text => text,
        };
        let kept = text.and_then(|text| {
            let kept = Wellbeing::restore(&text, age, now);
            kept.inspect_err(|e| tracing::warn!(%e, "what was watched before is not known")).ok()
        });
        let machine = kept.unwrap_or_else(|| Wellbeing::new(age, now));
        let state = watch::Sender::new(WellbeingState { revision: 1, view: machine.view() });
        let room = WellbeingRoom {
            store,
            record,
            machine: Mutex::new(machine),
            writing: Mutex::new(()),
            saving: AtomicBool::new(false),
            zone: AtomicI16::new(zone),
            state,
        };
        room.store.remember(ZONE, &zone.to_string())?;
        Ok(room)
    }

    /// What was rendered since the last report; a break may stand after it.
    pub(crate) fn watched(&self, rendered_ms: u64) {
        self.with(|machine, now| machine.handle_watched(now, rendered_ms));
    }

    /// Time passed; a break may stand after it.
    pub(crate) fn review(&self) {
        self.with(|machine, now| machine.review(now));
    }

    /// The backend said what time it is.
    fn server_says(&self, unix_ms: i64) {
        self.with(|machine, now| machine.handle_server_time(now, unix_ms));
    }

    /// The person wants to go on; gives the break that stands in the way.
    pub(crate) fn go_on(&self) -> Option<Break> {
        self.with(|machine, now| machine.handle_go_on(now))
    }

    /// A card became current by a swipe forward.
    pub(crate) fn moved(&self) {
        self.with(|machine, _| machine.handle_moved());
    }

    /// The break that stands.
    pub(crate) fn standing(&self) -> Option<Break> {
        self.machine().standing()
    }

    /// What holds.
    pub(crate) fn limits(&self) -> Limits {
        self.machine().limits()
    }

    /// The states to come.
    pub(crate) fn states(&self) -> watch::Receiver<WellbeingState> {
        self.state.subscribe()
    }

    /// Whether the age may be set to this.
    pub(crate) fn may_be(&self, age: AgeBand) -> Result<(), Error> {
        self.with(|machine, now| machine.may_be(now, age)).map_err(refused)
    }

    /// The person is of this age. Blocks for the disk.
    pub(crate) fn set_age(&self, age: AgeBand) -> Result<(), Error> {
        self.with(|machine, now| machine.set_age(now, age));
        self.save(true)
    }

    /// Writes the record down if the machine says so; with `exact` what was counted and nothing ahead. Blocks for the disk.
    pub(crate) fn save(&self, exact: bool) -> Result<(), Error> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, sure) = {
            let mut machine = self.machine();
            if !machine.wants_saving() && !exact {
                return Ok(());
            }
            let watching = machine.is_watching() && !exact;
            let text = machine.record(watching).map_err(|e| Error::Internal { reason: e.to_string() })?;
            // What is only counted may lose seconds to a power cut; what was decided may not.
            (text, exact || !watching)
        };
        let written = match sure {
            true => self.store.remember_for_sure(&self.record, &text),
            false => self.store.remember(&self.record, &text),
        };
        written.map_err(|e| {
            self.machine().handle_unsaved();
            Error::Storage { reason: e.to_string() }
        })
    }

    /// Writes the record down beside the caller if it is time to.
    pub(crate) fn save_soon(self: &Arc<Self>) {
        if !self.machine().wants_saving() || self.saving.swap(true, Ordering::AcqRel) {
            return;
        }
        let room = Arc::clone(self);
        tasks::spawn_blocking(move || {
            if let Err(error) = room.save(false) {
                tracing::warn!(%error, "what was watched is not on the disk yet");
            }
            room.saving.store(false, Ordering::Release);
        });
    }

    /// Changes the machine, writes that down, and tells.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Wellbeing, Moment) -> Result<T, WellbeingError>,
    ) -> Result<T, Error> {
        let done = self.with(change).map_err(refused)?;
        self.save(true)?;
        Ok(done)
    }

    fn give_passcode(&self, code: &str) -> Result<(), Error> {
        let attempt = self.with(|machine, now| machine.begin_attempt(now)).map_err(|e| match e {
            GuardError::NotSet => Error::Config { reason: e.to_string() },
            GuardError::Wait { .. } => self.wrong_passcode(),
        })?;
        // On disk before it is compared: ending the process in between buys no guess.
        self.save(true)?;
        let matched = passcode::matches(code, &attempt.hashed);
        self.with(|machine, now| machine.end_attempt(now, matched));
        self.save(true)?;
        if matched { Ok(()) } else { Err(self.wrong_passcode()) }
    }

    fn wrong_passcode(&self) -> Error {
        let guard = self.machine().view().guard;
        Error::WrongPasscode { wait: Duration::from_millis(guard.wait_ms), wrong: guard.wrong }
    }

    fn with<T>(&self, run: impl FnOnce(&mut Wellbeing, Moment) -> T) -> T {
        let mut machine = self.machine();
        let done = run(&mut machine, Clock::moment(self.zone.load(Ordering::Relaxed)));
        let view = machine.view();
        self.state.send_if_modified(|held| {
            let differs = coarse(&held.view) != coarse(&view);
            if differs {
                *held = WellbeingState { revision: held.revision + 1, view };
            }
            differs
        });
        done
    }

    fn machine(&self) -> MutexGuard<'_, Wellbeing> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A view by the second, without what only runs down.
fn coarse(view: &WellbeingView) -> WellbeingView {
    let mut coarse = *view;
    for ms in [&mut coarse.total_ms, &mut coarse.today_ms, &mut coarse.stretch_ms] {
        *ms /= 1_000;
    }
    coarse.day_ends_in_ms = 0;
    coarse.guard.wait_ms = coarse.guard.wait_ms.min(1);
    if let Some(standing) = &mut coarse.standing {
        standing.opens_in_ms = standing.opens_in_ms.min(1);
        (standing.today_ms, standing.stretch_ms) = (0, 0);
    }
    coarse
}

fn refused(error: WellbeingError) -> Error {
    match error {
        WellbeingError::Limits(e) => Error::Config { reason: e.to_string() },
        WellbeingError::Guarded { is_set } => Error::Guarded { is_set },
    }
}

impl Unspool {
    /// What was watched, what holds, and the break that stands, without waiting.
    #[must_use]
    pub fn wellbeing(&self) -> WellbeingState {
        let room = &self.core().wellbeing;
        room.review();
        *room.state.borrow()
    }

    /// Waits for a state newer than `revision`. Asking again after a cancelled wait loses nothing.
    ///
    /// # Errors
    /// [`Error::ShutDown`] after [`shutdown`](Unspool::shutdown).
    pub async fn wellbeing_after(&self, revision: u64) -> Result<WellbeingState, Error> {
        let mut states = self.core().wellbeing.states();
        self.read(async move {
            let state = states.wait_for(|state| state.revision > revision).await;
            state.map(|state| *state).map_err(|_| Error::ShutDown)
        })
        .await
    }

    /// Replaces the limits that were chosen; what is `None` follows the policy for the person's age. On disk when it
    /// returns, never sent, and in force at once. A minor may be stricter than the policy, and looser only after
    /// [`give_passcode`](Unspool::give_passcode); with a passcode that goes for everybody.
    ///
    /// # Errors
    /// [`Error::Config`] when a bound is broken, [`Error::Guarded`] for what takes the passcode, [`Error::Storage`] when the
    /// disk refuses; it holds in this session then.
    pub async fn set_limits(&self, choices: Choices) -> Result<(), Error> {
        let session = self.clone();
        self.write(async move {
            let core = Arc::clone(session.core());
            let done = blocking(move || {
                let done = core.wellbeing.change(|machine, now| machine.choose(now, choices));
                core.settings_changed();
                done
            });
            let done = done.await;
            session.tell(Input::Control(Control::Motion));
            done
        })
        .await
    }

    /// Sets, replaces or takes away the guardian's passcode, 4 to 64 bytes of any text. Where there is none anybody may set
    /// one, so the app sees to it that it is the guardian; from then on it takes the old one
    /// ([`give_passcode`](Unspool::give_passcode)). It is kept salted and hashed slowly; nobody can read it.
    ///
    /// # Errors
    /// [`Error::Config`] for another length, [`Error::Guarded`], [`Error::Storage`].
    pub async fn set_passcode(&self, code: Option<&str>) -> Result<(), Error> {
        let (core, code) = (Arc::clone(self.core()), code.map(str::to_owned));
        self.write(async move {
            blocking(move || {
                let hashed = code.as_deref().map(passcode::hash).transpose()?;
                let done = core.wellbeing.change(|machine, now| machine.set_passcode(now, hashed));
                core.settings_changed();
                done
            })
            .await
        })
        .await
    }

    /// Somebody gives the passcode: for two minutes limits and age may be loosened. After four wrong ones each further one
    /// makes the next wait, a minute at first and eight hours in the end; neither a restart nor the clock shortens that.
    ///
    /// # Errors
    /// [`Error::WrongPasscode`] says how long to wait, [`Error::Config`] where there is no passcode, [`Error::Storage`] when
    /// the attempt could not be written down; it was not compared then.
    pub async fn give_passcode(&self, code: &str) -> Result<(), Error> {
        let (core, code) = (Arc::clone(self.core()), code.to_owned());
        self.write(async move { blocking(move || core.wellbeing.give_passcode(&code)).await }).await
    }

    /// Ends what the passcode opened, at once. Returns at once.
    pub fn lock_limits(&self) {
        self.core().wellbeing.with(|machine, _| machine.lock());
    }

    /// Allows so many minutes, at most 240, from now on: today beyond the limit, and in this night.
    ///
    /// # Errors
    /// [`Error::Guarded`] for what takes the passcode, [`Error::Storage`] when the disk refuses.
    pub async fn allow_more(&self, minutes: u16) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        self.write(async move {
            blocking(move || core.wellbeing.change(|m, now| m.allow_more(now, minutes))).await
        })
        .await
    }

    /// What the week of a date came to, Monday first; `date` in days from 1970-01-01, as
    /// [`recap_due`](WellbeingView::recap_due) names it. Five weeks are remembered.
    #[must_use]
    pub fn recap(&self, date: i64) -> Recap {
        self.core().wellbeing.machine().recap(date)
    }

    /// Says that the recap that was due was shown; the next one is due when this week is over.
    ///
    /// # Errors
    /// [`Error::Storage`] when the disk refuses.
    pub async fn recap_shown(&self) -> Result<(), Error> {
        let core = Arc::clone(self.core());
        self.write(async move {
            blocking(move || {
                core.wellbeing.change(|machine, _| {
                    machine.recap_shown();
                    Ok(())
                })
            })
            .await
        })
        .await
    }

    /// Says how far the local time is from UTC, in minutes to the east, now and whenever that changes: days, weeks and nights
    /// are those of the person. Remembered across sessions. Moving the zone gives no time back.
    ///
    /// # Errors
    /// [`Error::Config`] beyond 12 hours to the west or 14 to the east.
    pub fn set_utc_offset(&self, minutes: i16) -> Result<(), Error> {
        self.check()?;
        if !ZONES.contains(&minutes) {
            return Err(Error::Config { reason: "no zone is that far from UTC".into() });
        }
        let core = Arc::clone(self.core());
        core.wellbeing.zone.store(minutes, Ordering::Relaxed);
        core.wellbeing.review();
        tasks::spawn_blocking_on(self.handle(), move || {
            if let Err(error) = core.store.remember(ZONE, &minutes.to_string()) {
                tracing::warn!(%error, "the zone is not remembered");
            }
        });
        Ok(())
    }
}
