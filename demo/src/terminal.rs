//! The live view for people: what is fetched ahead, what plays, what was counted, as it happens.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event as Terminal, KeyCode, KeyEvent, KeyEventKind};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::prelude::{Color, Line, Modifier, Span, Style, Stylize};
use ratatui::widgets::{Block, Gauge, Paragraph, Wrap};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;
use unspool::{CardView, Conditions, Event, FeedKind, FeedSession, Snapshot, Stage, StartClass, Unspool};

use crate::DemoArgs;
use crate::headless::{client_name, open};
use crate::origin::Origin;

/// Lines of the event list that are kept.
const TOLD: usize = 64;
/// The view is drawn this often at least, so that counters move.
const TICK: Duration = Duration::from_millis(200);

struct View {
    session: Unspool,
    feed: FeedSession,
    seen: u64,
    told: VecDeque<String>,
    frames: Vec<(StartClass, f64)>,
    liked: bool,
    online: bool,
    muted: bool,
}

/// Runs until the person quits.
pub async fn run(args: DemoArgs) -> Result<(), Box<dyn Error>> {
    let kept = tempfile::Builder::new().prefix("unspool-demo-").tempdir()?;
    let state = args.state.clone().unwrap_or_else(|| kept.path().to_owned());
    std::fs::create_dir_all(&state)?;
    let client = client_name(&state)?;
    let origin = if args.offline { None } else { Some(Origin::start(&args, &state).await?) };
    let url = origin.as_ref().map_or("http://127.0.0.1:9", |o| o.url.as_str());
    let session = open(&args, &state, url, &client, origin.is_some())?;
    let feed = session.feed(FeedKind::ForYou)?;
    let view = View {
        session: session.clone(),
        feed,
        seen: 0,
        told: VecDeque::new(),
        frames: Vec::new(),
        liked: false,
        online: origin.is_some(),
        muted: false,
    };
    let (keys, pressed) = mpsc::unbounded_channel();
    // Reading keys blocks, so a thread of its own does it; it ends with the process.
    std::thread::spawn(move || {
        while let Ok(happened) = event::read() {
            if keys.send(happened).is_err() {
                return;
            }
        }
    });
    let terminal = ratatui::init();
    let shown = show(view, terminal, pressed, origin.as_ref()).await;
    ratatui::restore();
    let ended = session.shutdown(Duration::from_secs(10)).await;
    if let Some(origin) = origin {
        origin.stop().await;
    }
    let out = ended.outgoing;
    eprintln!("{} impressions recorded, {} delivered, {} waiting", out.recorded, out.delivered, out.queued);
    if args.state.is_some() {
        eprintln!(
            "Everything is in {}; run again with --offline to play it without a server.",
            state.display()
        );
    }
    shown
}

async fn show(
    mut view: View,
    mut terminal: DefaultTerminal,
    mut keys: mpsc::UnboundedReceiver<Terminal>,
    origin: Option<&Origin>,
) -> Result<(), Box<dyn Error>> {
    view.go(true).await;
    loop {
        view.take();
        let snapshot = view.feed.snapshot();
        terminal.draw(|frame| view.draw(frame, &snapshot))?;
        tokio::select! {
            key = keys.recv() => match key {
                Some(Terminal::Key(key)) if key.kind != KeyEventKind::Release => {
                    if !view.press(key, &snapshot, origin).await? {
                        return Ok(());
                    }
                }
                Some(_) => {}
                None => return Ok(()),
            },
            _ = view.feed.snapshot_after(snapshot.revision) => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
}

impl View {
    /// Acts on a key; `false` quits.
    async fn press(
        &mut self,
        key: KeyEvent,
        now: &Snapshot,
        origin: Option<&Origin>,
    ) -> Result<bool, Box<dyn Error>> {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
            KeyCode::Char('c') if key.modifiers.contains(event::KeyModifiers::CONTROL) => return Ok(false),
            KeyCode::Char('j') | KeyCode::Down | KeyCode::Right => self.go(true).await,
            KeyCode::Char('k') | KeyCode::Up | KeyCode::Left => self.go(false).await,
            KeyCode::Char(' ') => self.feed.set_paused(!now.paused)?,
            KeyCode::Char('m') => {
                self.muted = !self.muted;
                self.feed.set_muted(self.muted)?;
            }
            KeyCode::Char('l') => {
                if let Some(card) = now.window.first() {
                    self.liked = !self.liked;
                    match self.session.set_liked(&card.item.id, self.liked).await {
                        Ok(()) => self.say(if self.liked {
                            "liked, on disk".into()
                        } else {
                            "like taken back".into()
                        }),
                        Err(e) => self.say(format!("like: {e}")),
                    }
                }
            }
            KeyCode::Char('o') => {
                if let Some(origin) = origin {
                    self.online = !self.online;
                    origin.set_down(!self.online).await?;
                    self.session.set_conditions(Conditions { online: self.online, ..Conditions::default() });
                    self.say(if self.online {
                        "the network is back".into()
                    } else {
                        "the network is gone".into()
                    });
                }
            }
            _ => {}
        }
        Ok(true)
    }

    async fn go(&mut self, forward: bool) {
        let moved = if forward { self.feed.next().await } else { self.feed.previous().await };
        match moved {
            Ok(card) => self.liked = matches!(self.session.liked(&card.item.id).await, Ok(Some(true))),
            Err(e) => self.say(e.to_string()),
        }
    }

    fn take(&mut self) {
        let batch = self.feed.events(self.seen, 256);
        self.seen = batch.last;
        for event in batch.events {
            let line = match event {
                Event::FirstFrame { position, class, latency_ms, width, height, .. } => {
                    self.frames.push((class, latency_ms));
                    format!(
                        "card {position}: first frame {width}x{height} after {latency_ms:.1} ms, {}",
                        class.name()
                    )
                }
                Event::Stalled { position, ms } => format!("card {position}: stood still for {ms} ms"),
                Event::Resumed { position } => format!("card {position}: plays again"),
                Event::Looped { position } => format!("card {position}: started over, no request"),
                Event::CardFailed { item, reason, .. } => format!("{item}: {reason}"),
                Event::PageFailed { reason, retryable } => {
                    format!("no page: {reason}{}", if retryable { "; will ask again" } else { "" })
                }
                Event::CoreFailed { reason } | Event::PlayersFailed { reason } => reason,
                Event::StorageFailed { reason } => format!("disk: {reason}"),
                _ => continue,
            };
            self.say(line);
        }
    }

    fn say(&mut self, line: String) {
        if self.told.len() == TOLD {
            self.told.pop_back();
        }
        self.told.push_front(line);
    }

    fn draw(&self, frame: &mut Frame<'_>, now: &Snapshot) {
        let [title, window, middle, events, help] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(12),
            Constraint::Length(7),
            Constraint::Min(3),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let network = if now.online { "online".green() } else { "no network".red().bold() };
        let head = Line::from(vec![
            " Unspool ".reversed(),
            "  ".into(),
            network,
            format!("  {:.1} Mbit/s  {}", mega(now.throughput_bps), unspool::player_version()).into(),
        ]);
        frame.render_widget(head, title);
        self.draw_window(frame, window, now);
        let [bytes, starts, sent] =
            Layout::horizontal([Constraint::Ratio(1, 3), Constraint::Ratio(1, 3), Constraint::Ratio(1, 3)])
                .areas(middle);
        frame.render_widget(Paragraph::new(byte_lines(now)).block(Block::bordered().title(" bytes ")), bytes);
        frame.render_widget(
            Paragraph::new(self.start_lines()).block(Block::bordered().title(" first frames ")),
            starts,
        );
        frame.render_widget(
            Paragraph::new(self.sent_lines()).block(Block::bordered().title(" recorded ")),
            sent,
        );
        let lines: Vec<Line<'_>> = self.told.iter().map(|l| Line::from(l.as_str())).collect();
        let list = Paragraph::new(lines).wrap(Wrap { trim: true }).block(Block::bordered().title(" events "));
        frame.render_widget(list, events);
        let keys = " j next  k back  space pause  m mute  l like  o network on/off  q quit";
        frame.render_widget(Line::from(keys).style(Style::new().add_modifier(Modifier::DIM)), help);
    }

    fn draw_window(&self, frame: &mut Frame<'_>, area: Rect, now: &Snapshot) {
        let block = Block::bordered().title(" the window: what is on the device ahead of the thumb ");
        let inner = block.inner(area);
        frame.render_widget(block, area);
        let rows = Layout::vertical([Constraint::Length(2); 5]).split(inner);
        for (card, row) in now.window.iter().zip(rows.iter()) {
            let [text, bar] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(*row);
            let current = now.current == Some(card.position);
            let mark = if current && now.paused {
                "‖"
            } else if current {
                "▶"
            } else {
                " "
            };
            let heart = if current && self.liked { " ♥" } else { "" };
            let style = if current { Style::new().bold() } else { Style::new() };
            let line = Line::from(vec![
                Span::styled(format!("{mark} {:>3} ", card.position), style),
                Span::styled(
                    format!("{:<12}", stage_name(card.stage)),
                    Style::new().fg(stage_colour(card.stage)),
                ),
                Span::styled(format!("@{} ", card.item.creator.handle), Style::new().fg(Color::Cyan)),
                Span::styled(card.item.caption.as_str(), style),
                heart.red(),
            ]);
            frame.render_widget(line, text);
            let [bar, told] =
                Layout::horizontal([Constraint::Percentage(45), Constraint::Min(20)]).areas(bar);
            let (gauge, label) = gauge(card, current, now.playhead_ms);
            frame.render_widget(gauge, bar);
            frame.render_widget(Line::from(label).dim(), told);
        }
    }

    fn start_lines(&self) -> Vec<Line<'static>> {
        [StartClass::PreRolled, StartClass::Cached, StartClass::Cold]
            .into_iter()
            .map(|class| {
                let mut ms: Vec<f64> =
                    self.frames.iter().filter(|(c, _)| *c == class).map(|(_, ms)| *ms).collect();
                ms.sort_by(f64::total_cmp);
                let median = ms.get(ms.len() / 2).map_or("–".into(), |v| format!("{v:.1} ms"));
                Line::from(format!("{:<10} {:>3}  median {median}", class.name(), ms.len()))
            })
            .collect()
    }

    fn sent_lines(&self) -> Vec<Line<'static>> {
        let out = self.session.outgoing();
        vec![
            Line::from(format!("impressions {:>6}", out.recorded)),
            Line::from(format!("  delivered {:>6}", out.delivered)),
            Line::from(format!("  waiting   {:>6}", out.queued)),
            Line::from(format!("likes       {:>6}", out.intents)),
            Line::from(format!("  delivered {:>6}", out.intents_delivered)),
        ]
    }
}

fn byte_lines(now: &Snapshot) -> Vec<Line<'static>> {
    let row = |name: &str, bytes: u64| Line::from(format!("{name:<12}{:>9.2} MB", mega(bytes)));
    vec![
        row("network", now.bytes.network),
        row("from cache", now.bytes.from_cache),
        row("unwatched", now.bytes.wasted),
        row("on disk", now.bytes.on_disk),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a bar on a screen")]
fn gauge(card: &CardView, current: bool, playhead_ms: u64) -> (Gauge<'static>, String) {
    let at = if current { playhead_ms } else { 0 };
    let length = card.item.asset.duration_ms.max(1);
    let held = (at + card.ahead_ms).min(length);
    let label = format!(
        " {}{:.1} s on the device of {:.1} s  {}",
        if current { format!("at {:.1} s, ", at as f64 / 1e3) } else { String::new() },
        held as f64 / 1e3,
        length as f64 / 1e3,
        card.rendition.as_deref().unwrap_or("")
    );
    let style = Style::new().fg(stage_colour(card.stage)).bg(Color::DarkGray);
    let ratio = (held as f64 / length as f64).clamp(0.0, 1.0);
    (Gauge::default().ratio(ratio).label("").gauge_style(style), label)
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::None => "–",
        Stage::HeadCached => "headers",
        Stage::RangeCached(_) => "fetched",
        Stage::PreRolled => "pre-rolled",
        Stage::Playing => "playing",
        Stage::Failed => "cannot play",
    }
}

fn stage_colour(stage: Stage) -> Color {
    match stage {
        Stage::None => Color::Gray,
        Stage::HeadCached => Color::Blue,
        Stage::RangeCached(_) => Color::Yellow,
        Stage::PreRolled => Color::Magenta,
        Stage::Playing => Color::Green,
        Stage::Failed => Color::Red,
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes to two places")]
fn mega(n: u64) -> f64 {
    n as f64 / 1e6
}
