//! Comments and payments: once for each key, in the order they come, and nobody else's.

use serde_json::{Value, json};

use crate::support::{Origin, code};

async fn comments(origin: &Origin, actor: &str, operations: Value) -> Vec<(String, String)> {
    let response = origin
        .post_as(actor, "/v1/comments")
        .header("Idempotency-Key", "k")
        .json(&json!({"operations": operations}))
        .send()
        .await
        .unwrap();
    let answer: Value = response.json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|result| (text(&result["status"]), text(&result["reason"]))).collect()
}

fn operation(op: &str, deed: &str, comment: &str, parent: Option<&str>, text: Option<&str>) -> Value {
    json!({"op_id": op, "deed": deed, "comment": comment, "item": "i1", "parent": parent, "text": text, "at_ms": 5})
}

fn results(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(status, reason)| ((*status).to_owned(), (*reason).to_owned())).collect()
}

#[tokio::test]
async fn comments_are_carried_out_once_in_order_and_by_their_author() {
    let origin = Origin::start().await;
    let long = "x".repeat(2_201);
    let first = json!([
        operation("1", "create", "a", None, Some("hello")),
        operation("2", "create", "b", Some("a"), Some("an answer")),
        operation("3", "create", "c", Some("nowhere"), Some("lost")),
        operation("4", "create", "a", None, Some("taken")),
        operation("5", "edit", "a", None, Some("hello again")),
        operation("6", "create", "d", None, Some(" ")),
        operation("7", "create", "e", None, Some(&long)),
        operation("8", "edit", "nothing", None, Some("x")),
        operation("9", "delete", "nothing", None, None),
    ]);
    let expected = [
        ("applied", ""),
        ("applied", ""),
        ("rejected", "parent_gone"),
        ("rejected", "id_taken"),
        ("applied", ""),
        ("rejected", "bad_text"),
        ("rejected", "bad_text"),
        ("rejected", "unknown_comment"),
        ("applied", ""),
    ];
    assert_eq!(comments(&origin, "ann", first.clone()).await, results(&expected));
    let again =
        expected.map(|(status, reason)| (if status == "applied" { "duplicate" } else { status }, reason));
    assert_eq!(
        comments(&origin, "ann", first).await,
        results(&again),
        "an answer that was lost is given again"
    );
    let theirs = json!([
        operation("1", "edit", "a", None, Some("not mine")),
        operation("2", "delete", "a", None, None),
    ]);
    assert_eq!(
        comments(&origin, "bob", theirs).await,
        results(&[("rejected", "unknown_comment"), ("applied", "")])
    );
    let reused = json!([operation("1", "create", "z", None, Some("other"))]);
    assert_eq!(comments(&origin, "ann", reused).await, results(&[("rejected", "op_id_reused")]));
    let list = origin.control(reqwest::Method::GET, "comments?actor=ann").send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    let stand: Vec<(&str, &str)> = list["comments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|comment| (comment["id"].as_str().unwrap(), comment["text"].as_str().unwrap()))
        .collect();
    assert_eq!(stand, [("a", "hello again"), ("b", "an answer")]);
    assert_eq!(list["operations"].as_array().unwrap().len(), 9);
}

fn payment(op: &str, amount: u64) -> Value {
    json!({"op_id": op, "cause": "gift", "recipient": "cleo", "subject": "rose", "amount": amount,
        "price_version": "1", "at_ms": 5})
}

async fn pay(origin: &Origin, actor: &str, body: &Value) -> Value {
    let request =
        origin.post_as(actor, "/v1/payments").header("Idempotency-Key", body["op_id"].as_str().unwrap());
    request.json(body).send().await.unwrap().json().await.unwrap()
}

async fn ask(origin: &Origin, actor: &str, op: &str) -> Value {
    let request = origin.post_as(actor, &format!("/v1/payments/{op}/resolve")).json(&json!({}));
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn money_moves_once_for_a_key_and_a_question_closes_it() {
    let origin = Origin::start().await;
    let confirmed = json!({"state": "confirmed", "reason": null, "coins": 600});
    for _ in 0..3 {
        assert_eq!(pay(&origin, "ann", &payment("p1", 400)).await, confirmed);
    }
    assert_eq!(ask(&origin, "ann", "p1").await, confirmed);
    let short = json!({"state": "declined", "reason": "insufficient", "coins": 600});
    assert_eq!(pay(&origin, "ann", &payment("p2", 601)).await, short);
    assert_eq!(ask(&origin, "ann", "p2").await, short);
    assert_eq!(ask(&origin, "ann", "p3").await["state"], "void");
    assert_eq!(pay(&origin, "ann", &payment("p3", 1)).await["reason"], "void", "it came after the question");
    assert_eq!(ask(&origin, "ann", "p3").await["state"], "void");
    assert_eq!(pay(&origin, "bob", &payment("p1", 5)).await["coins"], 995, "keys are each actor's own");
    let other =
        origin.post_as("ann", "/v1/payments").header("Idempotency-Key", "p1").json(&payment("p1", 401));
    let other = other.send().await.unwrap();
    assert_eq!((other.status().as_u16(), code(other).await), (422, "key_reused".to_owned()));
    let mut gift = payment("p4", 5_000);
    gift["cause"] = json!("donation");
    assert_eq!(pay(&origin, "ann", &gift).await, confirmed, "money is not taken from the coins");
    let list = origin.control(reqwest::Method::GET, "payments?actor=ann").send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    assert_eq!(
        list["payments"][0],
        json!({"actor": "ann", "op_id": "p1", "state": "confirmed", "moved": 400, "arrivals": 4})
    );
}
