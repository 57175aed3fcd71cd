//! Captions, end to end: chosen by language, fetched into the cache, on show at their time, and never in a card's way.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::json;
use unspool::{
    Auth, Backend, BackendError, CaptionStatus, CaptionTrack, CaptionTrouble, Conditions, Config,
    Credentials, Error, Event, FeedKind, Located, MediaKey, Meter, Native, Page, Topic, Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, config, first_frame, http, open, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");

fn wishes(languages: &[&str]) -> Vec<String> {
    languages.iter().map(|l| (*l).to_owned()).collect()
}

/// The feed's first card with these languages, from the clips as they are served.
fn has(languages: &[&str]) -> impl Fn(&unspool::Item) -> bool {
    move |item| item.captions.iter().map(|t| t.language.as_str()).eq(languages.iter().copied())
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_on_show_at_their_time_in_the_language_asked_for() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "1"])?;
    let mut config = config(&dir.path().join("core"), &origin.url, "ada")?;
    config.captions = wishes(&["fr", "de-AT", "en"]);
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let mut seen = 0;
    let card = feed.next().await?;
    assert!(has(&["en", "de"])(&card.item), "{:?}", card.item.captions);
    first_frame(&feed, &mut seen, card.position).await?;
    let shown =
        until(&feed, "the third second", |s| s.captions.cues.iter().any(|c| c.text == "Sekunde 2")).await?;
    assert_eq!(
        (shown.captions.status, shown.captions.language.as_deref()),
        (CaptionStatus::Ready, Some("de"))
    );
    let [cue] = &shown.captions.cues[..] else { panic!("one at a time: {:?}", shown.captions) };
    assert_eq!((cue.start_ms, cue.end_ms), (2_000, 3_000));
    // Between two reports of the player the captions go on; they are never ahead by more than that.
    assert!((1_300..3_700).contains(&shown.playhead_ms), "at {}", shown.playhead_ms);
    let all = feed.captions(card.position).await?.ok_or("there is such a card")?;
    assert_eq!((all.chosen, all.status), (Some(1), CaptionStatus::Ready));
    assert_eq!(all.cues.len() as u64, card.item.asset.duration_ms.div_ceil(1_000));
    assert_eq!(feed.captions(99_999).await?, None);

    session.set_captions(wishes(&["en-GB"]))?;
    let shown = until(&feed, "English", |s| {
        !s.captions.cues.is_empty() && s.captions.language.as_deref() == Some("en")
    })
    .await?;
    assert!(shown.captions.cues[0].text.starts_with("Second ") && !shown.captions.cues[0].text.contains('<'));
    assert_eq!(shown.captions.cues[0].voice.as_deref(), Some("Narrator"));
    session.set_captions(Vec::new())?;
    let off = until(&feed, "off", |s| s.captions.status == CaptionStatus::None).await?;
    assert!(off.captions.cues.is_empty());
    assert!(matches!(session.set_captions(wishes(&["no tag"])), Err(Error::Config { .. })));
    session.set_captions(wishes(&["ja", "*"]))?;
    until(&feed, "whatever there is", |s| s.captions.language.as_deref() == Some("en")).await?;
    session.set_captions(wishes(&["ja"]))?;
    until(&feed, "nothing in Japanese", |s| s.captions.status == CaptionStatus::None).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.quiet().await?;
    assert_eq!(session.bytes().network, origin.bytes_to("ada")?, "their bytes are in the books");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_cards_file_comes_ahead_and_is_there_without_a_network() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let (core, state) = (dir.path().join("core"), dir.path().join("origin"));
    let origin = Origin::start(PROGRAM, &state, &["--clips", "2"])?;
    let languages = wishes(&["en"]);
    let session = open(&core, &origin.url, "ada", true)?;
    session.set_captions(languages.clone())?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    let card = feed.next().await?;
    let first = card.clone();
    first_frame(&feed, &mut seen, card.position).await?;
    let next = feed.peek(1).await?.pop().ok_or("a next card")?;
    // Both clips have English; that of the next card comes before the swipe.
    loop {
        let captions = feed.captions(card.position + 1).await?.ok_or("a next card")?;
        if captions.status == CaptionStatus::Ready {
            break;
        }
        let batch = tokio::time::timeout(PATIENCE, feed.events_after(seen, 1)).await??;
        seen = batch.last;
    }
    let enough = |position: u64| {
        move |s: &unspool::Snapshot| {
            s.current == Some(position) && s.window[0].ahead_ms + s.playhead_ms >= 3_000
        }
    };
    until(&feed, "enough for offline", enough(card.position)).await?;
    let second = feed.next().await?;
    until(&feed, "enough of the other, too", enough(second.position)).await?;
    feed.previous().await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    origin.network(json!({"down": true})).await?;
    let log = origin.log()?;
    let asked =
        log.iter().filter(|l| l["path"].as_str().is_some_and(|p| p.ends_with("captions.en.vtt"))).count();
    assert_eq!(asked, 2, "each file once, whoever wanted it first");

    let session = open(&core, &origin.url, "ada", false)?;
    session.set_captions(languages)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let card = feed.next().await?;
    assert_eq!(card.item.id, first.item.id, "it opens where it was left");
    first_frame(&feed, &mut 0, card.position).await?;
    until(&feed, "captions from the cache", |s| !s.captions.cues.is_empty()).await?;
    let following = feed.next().await?;
    assert_eq!(following.item.asset.id, next.asset.id, "{} after {}", following.item.id, card.item.id);
    until(&feed, "and those of the card never watched", |s| {
        s.current == Some(following.position) && !s.captions.cues.is_empty()
    })
    .await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    assert_eq!(origin.log()?.len(), log.len(), "nothing was asked of the server");
    Ok(())
}

/// The backend as it is, with the files of captions replaced.
#[derive(Debug)]
struct Spoiled {
    native: Native,
    /// What each card's tracks are; where it stands in the page chooses.
    tracks: Mutex<Vec<Vec<CaptionTrack>>>,
}

impl Backend for Spoiled {
    fn page<'a>(
        &'a self,
        feed: &'a str,
        cursor: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Page, BackendError>> {
        Box::pin(async move {
            let mut page = self.native.page(feed, cursor, limit).await?;
            let tracks = self.tracks.lock().map_err(|_| BackendError::SignIn)?.clone();
            for (item, tracks) in page.items.iter_mut().zip(tracks) {
                let media = item.asset.renditions.last().map(|r| r.url.clone()).unwrap_or_default();
                item.captions = tracks;
                for track in &mut item.captions {
                    track.url = track.url.replace("MEDIA", &media);
                }
            }
            Ok(page)
        })
    }

    fn topics(&self) -> BoxFuture<'_, Result<Vec<Topic>, BackendError>> {
        self.native.topics()
    }

    fn locate<'a>(&'a self, key: &'a MediaKey) -> BoxFuture<'a, Result<Located, BackendError>> {
        self.native.locate(key)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_a_status_and_the_card_plays() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let track = |url: &str| {
        vec![CaptionTrack { language: "en".to_owned(), label: "English".to_owned(), url: url.to_owned() }]
    };
    let missing = format!("{}/media/none/captions.vtt", origin.url);
    let health = format!("{}/healthz", origin.url);
    let auth = Auth::new(Credentials::Fixed("ada".into()), PATIENCE);
    let native = Native::new(http()?, origin.url.parse()?, auth, PATIENCE, Meter::default());
    // Of the two clips of the feed each file of captions is another answer of the server.
    let tracks =
        vec![track(&missing), track("MEDIA"), track(&health), Vec::new(), track("file:///etc/passwd")];
    let host = Arc::new(Spoiled { native, tracks: Mutex::new(tracks) });
    let mut config = Config::hosted(dir.path().join("core"), host, "ada", Credentials::Fixed("ada".into()))?;
    config.captions = wishes(&["en"]);
    let session = Unspool::open(config)?;
    let feed = session.feed(FeedKind::NonProfiled)?;
    let mut seen = 0;
    let expected = [
        CaptionStatus::Failed(CaptionTrouble::Refused),
        CaptionStatus::Failed(CaptionTrouble::TooLarge),
        CaptionStatus::Failed(CaptionTrouble::NotCaptions),
        CaptionStatus::None,
        CaptionStatus::None,
    ];
    for expected in expected {
        let card = feed.next().await?;
        first_frame(&feed, &mut seen, card.position).await?;
        let settled = until(&feed, "a status", |s| s.captions.status != CaptionStatus::Loading).await?;
        let size = card.item.asset.renditions.last().and_then(|r| r.bytes).unwrap_or(0);
        // What a clip below the bound holds is no captions either.
        let expected = match expected {
            CaptionStatus::Failed(CaptionTrouble::TooLarge) if size <= 1 << 20 => {
                CaptionStatus::Failed(CaptionTrouble::NotCaptions)
            }
            other => other,
        };
        assert_eq!(settled.captions.status, expected, "card {}", card.position);
        assert!(settled.captions.cues.is_empty());
        until(&feed, "it plays", |s| s.frames > 10).await?;
    }
    let told = feed.events(0, 1_000).events;
    let troubles = told.iter().filter(|e| matches!(e, Event::CaptionsFailed { .. })).count();
    assert!(troubles >= 3, "{told:?}");
    assert!(!told.iter().any(|e| matches!(e, Event::CardFailed { .. })));
    assert!(session.shutdown(Duration::from_secs(20)).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_had_is_asked_for_again_when_the_network_comes_back() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &["--clips", "1"])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    until(&feed, "enough to go on", |s| s.window[0].ahead_ms >= 2_000).await?;
    session.set_conditions(Conditions { online: false, ..Conditions::default() });
    session.set_captions(wishes(&["en"]))?;
    let unavailable = CaptionStatus::Failed(CaptionTrouble::Unavailable);
    until(&feed, "no network, no captions", |s| s.captions.status == unavailable).await?;
    session.set_conditions(Conditions::default());
    until(&feed, "they come", |s| s.captions.status == CaptionStatus::Ready).await?;
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}
