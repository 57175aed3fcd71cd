//! Comments and payments of a session against the real server: written without a network, sent over one that loses
//! answers, killed in the middle, and there once in the end.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use unspool::{
    CommentState, Conditions, Error, FeedKind, Order, OutboundPurpose, Payment, PaymentCause, PaymentIntent,
    Unspool,
};
use unspool_e2e::{Done, Origin, PATIENCE, eventually, first_frame, open};

const PROGRAM: &str = env!("CARGO_BIN_EXE_origin-process");
const PAYER: &str = env!("CARGO_BIN_EXE_pay-process");
const COINS: i64 = 1_000;

fn order(amount: u64) -> Order {
    Order {
        cause: PaymentCause::Gift,
        recipient: "cleo".into(),
        subject: "rose".into(),
        amount,
        price_version: "1".into(),
    }
}

fn go(session: &Unspool, online: bool) {
    session.set_conditions(Conditions { online, ..Conditions::default() });
}

async fn fault(origin: &Origin, path: &str, skip: u32, times: u32, action: Value) -> Done<()> {
    origin.fault(json!({"path_prefix": path, "skip": skip, "times": times, "action": action})).await
}

fn lost_answer() -> Value {
    json!({"kind": "reset", "after_bytes": 0})
}

/// Deed, comment and words of what came, in order, and the comments that stand.
async fn talk(origin: &Origin) -> Done<(Vec<(String, String, String)>, BTreeSet<(String, String)>)> {
    let list = origin.get("/control/comments?actor=ada").await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let came = list["operations"].as_array().ok_or("no operations")?;
    let came = came.iter().map(|op| (text(&op["deed"]), text(&op["comment"]), text(&op["text"]))).collect();
    let stand = list["comments"].as_array().ok_or("no comments")?;
    Ok((came, stand.iter().map(|comment| (text(&comment["id"]), text(&comment["text"]))).collect()))
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_written_without_a_network_arrive_once_in_order() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let core = dir.path().join("core");
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&core, &origin.url, "ada", false)?;
    let first = session.add_comment("i1", None, "first").await?;
    let second = session.add_comment("i1", None, "secnod").await?;
    let answer = session.add_comment("i1", Some(&first), "an answer").await?;
    let never = session.add_comment("i1", None, "never").await?;
    session.edit_comment("i1", &second, "second").await?;
    session.delete_comment("i1", &never).await?;
    assert!(session.shutdown(PATIENCE).await.clean);

    let session = open(&core, &origin.url, "ada", false)?;
    let shown = session.comments("i1").await?;
    let shown: Vec<(&str, &CommentState)> = shown.iter().map(|c| (c.text.as_str(), &c.state)).collect();
    let waiting = &CommentState::Waiting;
    assert_eq!(shown, [("first", waiting), ("second", waiting), ("an answer", waiting)]);
    // The server takes them and its answer is lost, it is busy, and somebody else answers for it.
    fault(&origin, "/v1/comments", 0, 1, lost_answer()).await?;
    fault(&origin, "/v1/comments", 0, 1, json!({"kind": "status", "status": 503})).await?;
    fault(&origin, "/v1/comments", 0, 1, json!({"kind": "html"})).await?;
    go(&session, true);
    eventually("the comments are there", async || {
        session.flush(PATIENCE).await?;
        Ok(session.comments("i1").await?.iter().all(|c| c.state == CommentState::Sent))
    })
    .await?;
    let create = |id: &String, text: &str| ("create".to_owned(), id.clone(), text.to_owned());
    let (came, stand) = talk(&origin).await?;
    assert_eq!(came, [create(&first, "first"), create(&second, "second"), create(&answer, "an answer")]);
    assert_eq!(stand.len(), 3);

    session.edit_comment("i1", &first, "better").await?;
    session.delete_comment("i1", &answer).await?;
    let outgoing = session.flush(PATIENCE).await?;
    assert_eq!((outgoing.intents_queued, outgoing.intents_wedged), (0, 0));
    let (_, stand) = talk(&origin).await?;
    assert_eq!(stand, BTreeSet::from([(first.clone(), "better".into()), (second, "second".into())]));
    assert_eq!(session.comments("i1").await?.len(), 2);

    let late = session.edit_comment("i1", &answer, "gone").await;
    assert!(late.is_ok(), "it may have been written on another device");
    let lost = session.add_comment("i1", Some("nobody"), "to nobody").await?;
    eventually("what the server refuses is in sight", async || {
        Ok(session.refused_comments().await?.len() == 2)
    })
    .await?;
    let refused = session.refused_comments().await?;
    let refused = refused.iter().find(|comment| comment.id == lost).ok_or("the answer to nobody")?;
    assert_eq!(refused.state, CommentState::Refused { reason: "parent_gone".into() });
    assert_eq!(refused.text, "to nobody", "the words are offered back");
    assert!(session.dismiss_comment("i1", &lost).await?);
    assert_eq!(
        session.add_comment("i1", None, " ").await.map_err(|e| matches!(e, Error::Config { .. })),
        Err(true)
    );
    session.shutdown(PATIENCE).await;
    Ok(())
}

async fn state(session: &Unspool, id: &str) -> Done<PaymentIntent> {
    let payments = session.payments().await?;
    payments.into_iter().find(|payment| payment.op.0 == id).ok_or_else(|| "no such payment".into())
}

/// Waits until a payment is decided.
async fn decided(session: &Unspool, id: &str) -> Done<PaymentIntent> {
    let mut revision = 0;
    let mut payment = state(session, id).await?;
    while !payment.state.is_final() {
        revision = tokio::time::timeout(PATIENCE, session.intents_after(revision)).await??;
        payment = state(session, id).await?;
    }
    Ok(payment)
}

async fn server_side(origin: &Origin, id: &str) -> Done<Value> {
    let list = origin.get("/control/payments?actor=ada").await?;
    let list = list["payments"].as_array().ok_or("no payments")?;
    Ok(list.iter().find(|payment| payment["op_id"] == id).cloned().unwrap_or(Value::Null))
}

async fn pay(session: &Unspool, amount: u64) -> Done<String> {
    let id = session.draft_payment(order(amount)).await?;
    session.confirm_payment(&id).await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn gifts_are_carried_out_once_whatever_is_lost() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    let draft = session.draft_payment(order(5)).await?;
    assert_eq!(
        state(&session, &draft).await?.state,
        Payment::Draft,
        "nothing is sent before it is confirmed"
    );

    let plain = pay(&session, 100).await?;
    assert_eq!(decided(&session, &plain).await?.state, Payment::Confirmed);
    assert_eq!(session.available_coins().await?, Some(COINS - 100));

    fault(&origin, "/v1/payments", 0, 1, lost_answer()).await?;
    let lost = pay(&session, 200).await?;
    assert_eq!(decided(&session, &lost).await?.state, Payment::Confirmed, "it is asked about");
    let told = server_side(&origin, &lost).await?;
    assert_eq!((&told["moved"], &told["arrivals"]), (&json!(200), &json!(1)), "sent once");

    // Not carried out, and the client cannot know: the question closes the key.
    fault(&origin, "/v1/payments", 0, 1, json!({"kind": "status", "status": 502})).await?;
    let failed = pay(&session, 300).await?;
    assert_eq!(decided(&session, &failed).await?.state, Payment::Cancelled);
    let told = server_side(&origin, &failed).await?;
    assert_eq!((&told["state"], &told["moved"]), (&json!("void"), &json!(0)));

    let too_much = session.draft_payment(order(701)).await?;
    let refused = session.confirm_payment(&too_much).await;
    assert!(matches!(refused, Err(Error::Config { .. })), "{refused:?}");
    session.cancel_payment(&too_much).await?;
    assert_eq!(state(&session, &too_much).await?.state, Payment::Cancelled);
    assert!(matches!(session.cancel_payment(&plain).await, Err(Error::Config { .. })), "it is done");

    go(&session, false);
    let offline = pay(&session, 50).await?;
    assert_eq!(state(&session, &offline).await?.state, Payment::Reserved);
    assert_eq!(session.available_coins().await?, Some(COINS - 350), "its amount is held");
    go(&session, true);
    assert_eq!(decided(&session, &offline).await?.state, Payment::Confirmed);
    assert_eq!(session.available_coins().await?, Some(COINS - 350));
    assert!(session.shutdown(PATIENCE).await.clean);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_it_pays_finds_out_and_pays_once() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    // Once the request is carried out and its answer held back, once it is held back before a byte.
    for (n, action) in
        [json!({"kind": "stall", "after_bytes": 0, "ms": 600_000}), json!({"kind": "status", "status": 500})]
            .into_iter()
            .enumerate()
    {
        let carried_out = n == 0;
        let payments = || -> Done<usize> {
            let paid =
                |line: &&Value| line["path"].as_str().is_some_and(|path| path.starts_with("/v1/payments"));
            Ok(origin.log()?.iter().filter(paid).count())
        };
        let before = payments()?;
        let core = dir.path().join(format!("core-{n}"));
        fault(&origin, "/v1/payments", 0, 1, action).await?;
        if !carried_out {
            // Neither is the question about it answered before the kill.
            fault(&origin, "/v1/payments", 0, 1_000, json!({"kind": "status", "status": 503})).await?;
        }
        let mut command = Command::new(PAYER);
        command.arg(&core).arg(&origin.url).arg("70").stdout(Stdio::piped()).stdin(Stdio::null());
        let mut child = command.spawn()?;
        let mut id = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut id)?;
        let id = id.trim().to_owned();
        eventually("the request is under way", async || {
            let asked = payments()? > before;
            Ok(if carried_out { !server_side(&origin, &id).await?.is_null() } else { asked })
        })
        .await?;
        child.kill()?;
        child.wait()?;
        reqwest::Client::new().delete(format!("{}/control/faults", origin.control)).send().await?;

        let session = open(&core, &origin.url, "ada", true)?;
        let expected = if carried_out { Payment::Confirmed } else { Payment::Cancelled };
        assert_eq!(decided(&session, &id).await?.state, expected);
        let told = server_side(&origin, &id).await?;
        assert_eq!(told["moved"], json!(if carried_out { 70 } else { 0 }), "{told}");
        assert!(told["arrivals"].as_u64() <= Some(1), "{told}");
        // What was acknowledged before the kill arrives as well.
        eventually("the comment is there", async || {
            session.flush(PATIENCE).await?;
            Ok(session.comments("item").await?.iter().all(|c| c.state == CommentState::Sent))
        })
        .await?;
        session.shutdown(PATIENCE).await;
    }
    let (came, stand) = talk(&origin).await?;
    assert_eq!((came.len(), stand.len()), (2, 2), "{came:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_listed_by_host_and_purpose() -> Done<()> {
    let dir = tempfile::tempdir()?;
    let origin = Origin::start(PROGRAM, &dir.path().join("origin"), &[])?;
    let session = open(&dir.path().join("core"), &origin.url, "ada", true)?;
    assert_eq!(session.outbound_after(0).last, 0, "opening asks nothing of the network");
    let feed = session.feed(FeedKind::ForYou)?;
    let card = feed.next().await?;
    first_frame(&feed, &mut 0, card.position).await?;
    session.set_liked(&card.item.id, true).await?;
    session.add_comment(&card.item.id, None, "a canary among the words").await?;
    let gift = pay(&session, 10).await?;
    decided(&session, &gift).await?;
    session.shutdown(PATIENCE).await;
    origin.quiet().await?;

    let list = session.outbound_after(0);
    let host = origin.url.trim_start_matches("http://");
    assert!(list.requests.iter().all(|request| request.host == host), "{list:?}");
    let purposes: BTreeSet<OutboundPurpose> = list.requests.iter().map(|request| request.purpose).collect();
    for purpose in [
        OutboundPurpose::Feed,
        OutboundPurpose::Media,
        OutboundPurpose::Telemetry,
        OutboundPurpose::Intents,
        OutboundPurpose::Comments,
        OutboundPurpose::Payments,
    ] {
        assert!(purposes.contains(&purpose), "{purpose:?} of {purposes:?}");
    }
    assert!(!format!("{list:?}").contains("canary"));
    // The server's log knows of no request that is not listed, and of no byte.
    assert_eq!(list.requests.len(), origin.log()?.len());
    let received: u64 = list.requests.iter().map(|request| request.received).sum();
    assert_eq!(received, origin.bytes_to("ada")?);
    assert_eq!(received, session.bytes().network);
    assert!(list.requests.iter().all(|request| request.took_ms.is_some()));
    Ok(())
}
