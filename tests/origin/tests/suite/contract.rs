//! Feeds, interactions and the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use unspool_origin::contract::FeedPage;

use crate::support::{Origin, code};

async fn pages(origin: &Origin, actor: &str, feed: &str, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = origin.json(actor, &format!("/v1/feed?feed={feed}&limit={limit}&cursor={cursor}")).await;
        let page: FeedPage = serde_json::from_value(page).unwrap();
        ids.extend(page.items.into_iter().map(|item| item.id));
        match page.next_cursor {
            Some(next) => cursor = next,
            None => return ids,
        }
    }
}

#[tokio::test]
async fn five_thousand_items_page_to_their_end_without_a_repeat() {
    let origin = Origin::with(|config| config.feed_items = 5000).await;
    let ids = pages(&origin, "ann", "for_you", 50).await;
    assert_eq!(ids.len(), 5000);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 5000);
}

#[tokio::test]
async fn every_feed_answers_whole_items() {
    let origin = Origin::start().await;
    for feed in ["for_you", "following", "learn", "non_profiled", "topic:science"] {
        let page = origin.json("ann", &format!("/v1/feed?feed={feed}&limit=50")).await;
        let page: FeedPage = serde_json::from_value(page).unwrap();
        assert!(!page.items.is_empty(), "{feed}");
        for item in &page.items {
            let rates: Vec<u64> =
                item.asset.renditions.iter().map(|rendition| rendition.bitrate_bps).collect();
            assert!(rates.len() == 3 && rates.is_sorted() && rates[0] > 0);
            assert!(
                item.asset
                    .renditions
                    .iter()
                    .all(|rendition| rendition.url.starts_with(&origin.running.url()))
            );
            assert!(!item.caption.is_empty() && !item.alt_text.is_empty() && !item.creator.handle.is_empty());
            assert!(feed != "learn" || item.labels.contains(&"reviewed".to_owned()));
            assert!(feed != "topic:science" || item.topics.contains(&"science".to_owned()));
        }
    }
    let ann = pages(&origin, "ann", "for_you", 7).await;
    assert_eq!(ann, pages(&origin, "ann", "for_you", 50).await, "an actor's order does not change");
    assert_eq!(ann.len(), 72);
    assert_ne!(ann, pages(&origin, "bob", "for_you", 50).await);
    let topics = origin.json("ann", "/v1/topics").await;
    assert_eq!(topics["topics"].as_array().unwrap().len(), 8);
}

#[tokio::test]
async fn wrong_calls_get_typed_errors() {
    let origin = Origin::start().await;
    let answer = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        (response.status().as_u16(), code(response).await)
    };
    let typed = |status, code: &str| (status, code.to_owned());
    assert_eq!(answer(origin.get("/v1/feed?feed=for_you")).await, typed(401, "unauthorized"));
    assert_eq!(answer(origin.get_as("a b", "/v1/feed?feed=for_you")).await, typed(401, "unauthorized"));
    assert_eq!(
        answer(origin.get_as(&"a".repeat(129), "/v1/feed?feed=for_you")).await,
        typed(401, "unauthorized")
    );
    for (path, expected) in [
        ("/v1/feed", typed(400, "bad_query")),
        ("/v1/feed?feed=for_you&limit=x", typed(400, "bad_query")),
        ("/v1/feed?feed=for_you&limit=0", typed(400, "bad_limit")),
        ("/v1/feed?feed=for_you&limit=51", typed(400, "bad_limit")),
        ("/v1/feed?feed=for_you&cursor=zz", typed(400, "bad_cursor")),
        ("/v1/feed?feed=topic:none", typed(404, "unknown_feed")),
        ("/v1/nothing", typed(404, "not_found")),
        ("/v1/interactions", typed(405, "method_not_allowed")),
        ("/media/clip-00/../../origin.db", typed(404, "not_found")),
    ] {
        assert_eq!(answer(origin.get_as("ann", path)).await, expected, "{path}");
    }
    let post = || origin.post_as("ann", "/v1/interactions");
    assert_eq!(answer(post().body("{\"interactions\":[]}")).await, typed(400, "idempotency_key_required"));
    assert_eq!(answer(post().header("Idempotency-Key", "k").body("{")).await, typed(400, "bad_json"));
    let many: Vec<Value> = (0..101).map(|number| operation(&format!("op-{number}"), "like", true)).collect();
    let many = post().header("Idempotency-Key", "k").json(&json!({"interactions": many}));
    assert_eq!(answer(many).await, typed(413, "too_many"));
    let large = post().header("Idempotency-Key", "k").body("x".repeat(300 * 1024));
    assert_eq!(answer(large).await, typed(413, "too_large"));
}

fn operation(op_id: &str, verb: &str, state: bool) -> Value {
    json!({"op_id": op_id, "verb": verb, "target": "creator-01", "state": state, "at_ms": 5})
}

#[tokio::test]
async fn interactions_count_once_and_follows_show() {
    let origin = Origin::start().await;
    let send = async |operations: Vec<Value>| -> Vec<String> {
        let response = origin
            .post_as("ann", "/v1/interactions")
            .header("Idempotency-Key", "key-1")
            .json(&json!({"interactions": operations}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        let results = body["results"].as_array().unwrap();
        results.iter().map(|result| result["status"].as_str().unwrap().to_owned()).collect()
    };
    let shows = async || {
        let page = origin.json("ann", "/v1/feed?feed=following&limit=50").await;
        page["items"].as_array().unwrap().iter().any(|item| item["creator"]["id"] == "creator-01")
    };
    assert!(!shows().await);
    let first = vec![operation("1", "follow", true), operation("2", "hug", true)];
    assert_eq!(send(first.clone()).await, ["applied", "rejected"]);
    assert!(shows().await);
    assert_eq!(send(vec![operation("3", "follow", false)]).await, ["applied"]);
    assert_eq!(send(first).await, ["duplicate", "rejected"]);
    assert!(!shows().await, "a late repeat does not undo what came after");
    let stored: Value = origin
        .control(reqwest::Method::GET, "interactions?actor=ann")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let expected = json!([{"actor":"ann","verb":"follow","target":"creator-01","state":false,"at_ms":5}]);
    assert_eq!(stored["interactions"], expected);
    assert_eq!(origin.stats().await["interactions"], 2);
}

#[tokio::test]
async fn interests_count_in_for_you_from_the_next_listing_on() {
    let origin = Origin::start().await;
    let plain = pages(&origin, "ann", "for_you", 50).await;
    let others = pages(&origin, "ann", "non_profiled", 50).await;
    let choose = async |number: u32, topic: &str, state: bool| {
        let operation = json!({"op_id": format!("i{number}"), "verb": "interest", "target": topic, "state": state, "at_ms": 5});
        let response = origin
            .post_as("ann", "/v1/interactions")
            .header("Idempotency-Key", format!("interest-{number}"))
            .json(&json!({"interactions": [operation]}))
            .send()
            .await
            .unwrap();
        assert_eq!(response.json::<Value>().await.unwrap()["results"][0]["status"], "applied");
    };
    choose(1, "science", true).await;
    let chosen = pages(&origin, "ann", "for_you", 50).await;
    assert_ne!(chosen, plain);
    let first = origin.json("ann", "/v1/feed?feed=for_you&limit=1").await;
    assert!(first["items"][0]["topics"].as_array().unwrap().contains(&json!("science")), "{first}");
    let page = origin.json("ann", "/v1/feed?feed=for_you&limit=10").await;
    choose(2, "science", false).await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = origin.json("ann", &format!("/v1/feed?feed=for_you&limit=50&cursor={cursor}")).await;
    let rest: FeedPage = serde_json::from_value(rest).unwrap();
    let rest: Vec<String> = rest.items.into_iter().map(|item| item.id).collect();
    assert_eq!(rest, chosen[10..60], "a listing keeps the order it began with");
    assert_eq!(pages(&origin, "ann", "for_you", 50).await, plain);
    assert_eq!(pages(&origin, "ann", "non_profiled", 50).await, others);
}

#[tokio::test]
async fn a_revoked_token_is_refused_everywhere_and_its_actor_goes_on_with_another() {
    let origin = Origin::start().await;
    let before = pages(&origin, "ann.1", "for_you", 50).await;
    assert_eq!(before, pages(&origin, "ann", "for_you", 50).await, "the actor is what stands before the dot");
    let revoke = async |body: Value| {
        let response = origin.control(reqwest::Method::POST, "tokens").json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    assert_eq!(revoke(json!({"revoke": "a b"})).await.0, 400);
    assert_eq!(revoke(json!({"revoke": "ann.1"})).await, (200, json!({"revoked": ["ann.1"]})));
    for path in ["/v1/feed?feed=for_you", "/v1/topics", "/v1/assets/clip-00/renditions/720p"] {
        let response = origin.get_as("ann.1", path).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), code(response).await),
            (401, "unauthorized".to_owned()),
            "{path}"
        );
    }
    for path in ["/v1/interactions", "/v1/comments", "/v1/payments", "/v1/logs"] {
        assert_eq!(origin.post_as("ann.1", path).send().await.unwrap().status(), 401, "{path}");
    }
    assert_eq!(pages(&origin, "ann.2", "for_you", 50).await, before);
    let lines = origin.lines(1, |line| line.status == 401).await;
    assert!(lines.iter().all(|line| line.client == "ann"));
}

#[tokio::test]
async fn the_published_document_is_the_generated_one() {
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
    let published = std::fs::read_to_string(published).unwrap_or_default();
    let origin = Origin::start().await;
    let served = origin.get("/openapi.json").send().await.unwrap().text().await.unwrap();
    assert!(served == published, "regenerate: cargo run -p unspool-origin -- openapi > docs/openapi.json");
    let document: Value = serde_json::from_str(&served).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"].as_object().unwrap().len(), 14);
    let health = origin.get("/healthz").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(health, json!({"status": "ok", "assets": 4, "items": 72}));
}
