//! Comments against a model server over a network that loses requests and answers, with the process killed in between.
//!
//! The store and its rules are the real ones, on a real file; a kill drops the outbox and opens it again on what was
//! committed.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use unspool_engine::comment::Deed;

use super::super::intents::Outcome;
use super::super::{Comment, CommentState, OpId, Outbox, OutboxError, parcels};
use super::{self as comments, Op};
use crate::spool::database::Durability;

const WORLDS: u64 = 40;
const STEPS: usize = 120;
const ITEMS: [&str; 3] = ["i1", "i2", "i3"];

/// What the contract asks of a server.
#[derive(Debug, Default)]
struct Server {
    /// Item, parent and words of what stands.
    stand: BTreeMap<String, (String, Option<String>, String)>,
    done: BTreeMap<String, Option<&'static str>>,
    /// Comments of each thread in the order they were written.
    order: BTreeMap<String, Vec<String>>,
    refused: BTreeSet<String>,
}

impl Server {
    fn apply(&mut self, op: &Op) -> Option<&'static str> {
        if let Some(known) = self.done.get(&op.op_id) {
            return *known;
        }
        let words = op.text.clone().unwrap_or_default();
        let refusal = match op.kind.unwrap() {
            _ if words.contains("rude") => Some("rude"),
            Deed::Create if self.stand.contains_key(&op.comment) => Some("id_taken"),
            Deed::Create if op.parent.as_ref().is_some_and(|parent| !self.stand.contains_key(parent)) => {
                Some("parent_gone")
            }
            Deed::Create => {
                let comment = (op.item.clone(), op.parent.clone(), words);
                self.stand.insert(op.comment.clone(), comment);
                None
            }
            Deed::Edit => match self.stand.get_mut(&op.comment) {
                Some(comment) => {
                    comment.2 = words;
                    None
                }
                None => Some("unknown_comment"),
            },
            Deed::Delete => {
                self.stand.remove(&op.comment);
                None
            }
        };
        self.done.insert(op.op_id.clone(), refusal);
        if refusal.is_some() {
            self.refused.insert(op.comment.clone());
        } else if op.kind == Some(Deed::Create) {
            self.order.entry(op.item.clone()).or_default().push(op.comment.clone());
        }
        refusal
    }
}

fn open(folder: &tempfile::TempDir) -> Outbox {
    Outbox::open_as(folder.path().join("outbox.db"), Durability::Process).unwrap()
}

/// Sends what waits, one request; gives whether there was one.
fn send(outbox: &Outbox, server: &mut Server, arrives: bool, answered: bool) -> bool {
    let line = parcels::Line::Comments;
    let key = match outbox.write(|tx| parcels::list(tx, line)).unwrap().first() {
        Some(parcel) => parcel.key,
        None => match outbox.write(|tx| comments::claim(tx, "ann", 4, 4_000, 200)).unwrap() {
            Some(parcel) => parcel.key,
            None => return false,
        },
    };
    let (_, ops) = outbox.write(|tx| comments::load(tx, key)).unwrap().unwrap();
    if !arrives {
        return true;
    }
    let results: BTreeMap<OpId, Outcome> = ops
        .iter()
        .map(|op| {
            let outcome = match server.apply(op) {
                Some(reason) => Outcome::Refused(reason.to_owned()),
                None => Outcome::Confirmed,
            };
            (OpId(op.op_id.clone()), outcome)
        })
        .collect();
    if answered {
        outbox.write(|tx| comments::accept(tx, key, |op| results.get(op).cloned())).unwrap();
    }
    true
}

#[test]
fn the_server_ends_with_the_last_words_of_each_comment_and_nothing_is_lost() {
    let (mut sent, mut refused, mut vanished) = (0, 0, 0);
    for world in 0..WORLDS {
        let folder = tempfile::tempdir().unwrap();
        let mut rng = StdRng::seed_from_u64(world);
        let mut outbox = open(&folder);
        let mut server = Server::default();
        // Item and words wanted last, of every comment not deleted; and in which order they were written.
        let mut wanted: BTreeMap<String, (&str, String)> = BTreeMap::new();
        let mut written: Vec<(String, &str)> = Vec::new();
        // Refused by the server, or with the comment they answer before the server heard of them, and written again.
        let mut rewritten: BTreeSet<String> = BTreeSet::new();
        for step in 0..STEPS {
            let item = ITEMS[rng.random_range(0..ITEMS.len())];
            let rude = if rng.random_ratio(1, 8) { "rude" } else { "fine" };
            let words = format!("{rude} {step}");
            let mine: Vec<String> =
                wanted.iter().filter(|(_, (of, _))| *of == item).map(|(id, _)| id.clone()).collect();
            let one = (!mine.is_empty()).then(|| mine[rng.random_range(0..mine.len())].clone());
            match (rng.random_range(0..10), one) {
                (0..=2, one) => {
                    let parent = one.filter(|_| rng.random());
                    let id = outbox.add_comment(item, parent.as_deref(), &words, "ann", step as i64).unwrap();
                    wanted.insert(id.clone(), (item, words));
                    written.push((id, item));
                }
                (3..=4, Some(id)) => {
                    let refused = |comment: &Comment| {
                        comment.id == id && matches!(comment.state, CommentState::Refused { .. })
                    };
                    if outbox.comments(item, "ann").unwrap().iter().any(refused) {
                        rewritten.insert(id.clone());
                    }
                    outbox.edit_comment(item, &id, &words, "ann", step as i64).unwrap();
                    wanted.insert(id, (item, words));
                }
                (5, Some(id)) => {
                    outbox.delete_comment(item, &id, "ann", step as i64).unwrap();
                    wanted.remove(&id);
                    let edit = outbox.edit_comment(item, &id, "too late", "ann", step as i64);
                    // What was never sent is not known any more: then it is taken for one written elsewhere.
                    if edit.is_ok() {
                        outbox.delete_comment(item, &id, "ann", step as i64).unwrap();
                        vanished += 1;
                    } else {
                        assert_eq!(edit, Err(OutboxError::NoSuchComment));
                    }
                }
                _ => {
                    send(&outbox, &mut server, rng.random_ratio(3, 4), rng.random_ratio(3, 4));
                }
            }
            if rng.random_ratio(1, 12) {
                drop(outbox);
                outbox = open(&folder);
            }
            assert!(outbox.level().is_conserved(), "world {world}, step {step}: {:?}", outbox.level());
        }
        while send(&outbox, &mut server, true, true) {}
        assert_eq!(outbox.level().pending, 0, "world {world}");
        let mut shown: Vec<Comment> = Vec::new();
        for item in ITEMS {
            shown.extend(outbox.comments(item, "ann").unwrap());
        }
        let shown_ids: BTreeSet<&String> = shown.iter().map(|comment| &comment.id).collect();
        for (id, (_, words)) in &wanted {
            assert!(shown_ids.contains(id), "world {world}: {id} with {words:?} is not shown");
        }
        for comment in &shown {
            match &comment.state {
                CommentState::Sent => {
                    let (item, _, words) = &server.stand[&comment.id];
                    assert_eq!((item, words), (&comment.item, &comment.text), "world {world}");
                    assert_eq!(wanted[&comment.id].1, comment.text, "world {world}");
                    sent += 1;
                }
                CommentState::Refused { .. } => {
                    if let Some((_, words)) = wanted.get(&comment.id) {
                        assert_eq!(*words, comment.text, "the words are offered back");
                    }
                    refused += 1;
                }
                CommentState::Waiting => panic!("world {world}: {comment:?} still waits"),
            }
        }
        let known: BTreeSet<&String> = shown.iter().map(|comment| &comment.id).collect();
        assert!(
            server.stand.keys().all(|id| known.contains(id)),
            "world {world}: something stands that was deleted"
        );
        for (item, order) in &server.order {
            // One that was refused and rewritten may come after later ones; the others keep their order.
            let at_once = |id: &&String| !rewritten.contains(*id) && !server.refused.contains(*id);
            let kept: Vec<&String> = order.iter().filter(at_once).collect();
            let wrote = written.iter().filter(|(id, of)| of == item && order.contains(id));
            let wrote: Vec<&String> = wrote.map(|(id, _)| id).filter(at_once).collect();
            assert_eq!(kept, wrote, "world {world}: {item}");
        }
    }
    assert!(
        sent > 200 && refused > 20 && vanished > 5,
        "sent {sent}, refused {refused}, vanished {vanished}"
    );
}

#[test]
fn what_is_refused_is_offered_again_dismissed_or_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let mut server = Server::default();
    let rude = outbox.add_comment("i1", None, "rude", "ann", 1).unwrap();
    let answer = outbox.add_comment("i1", Some(&rude), "an answer", "ann", 2).unwrap();
    let fine = outbox.add_comment("i1", None, "fine", "ann", 3).unwrap();
    while send(&outbox, &mut server, true, true) {}
    let refused = outbox.refused_comments("ann").unwrap();
    let reasons: Vec<(&str, &CommentState)> =
        refused.iter().map(|comment| (comment.id.as_str(), &comment.state)).collect();
    let because = |reason: &str| CommentState::Refused { reason: reason.to_owned() };
    assert_eq!(reasons, [(rude.as_str(), &because("rude")), (answer.as_str(), &because("parent_gone"))]);
    assert!(server.stand.contains_key(&fine), "nobody waits behind what was refused");
    assert!(outbox.refused_comments("bob").unwrap().is_empty());

    // Rewritten, it is sent after all; then its answer can be, with the same words.
    outbox.edit_comment("i1", &rude, "polite", "ann", 4).unwrap();
    while send(&outbox, &mut server, true, true) {}
    outbox.edit_comment("i1", &answer, "an answer", "ann", 5).unwrap();
    while send(&outbox, &mut server, true, true) {}
    assert_eq!(server.stand[&rude].2, "polite");
    assert_eq!(server.stand[&answer].1.as_deref(), Some(rude.as_str()));

    outbox.edit_comment("i1", &fine, "rude after all", "ann", 6).unwrap();
    while send(&outbox, &mut server, true, true) {}
    let shown = outbox.comments("i1", "ann").unwrap();
    assert_eq!((shown[2].text.as_str(), &shown[2].state), ("rude after all", &because("rude")));
    assert!(outbox.dismiss_comment("i1", &fine, "ann").unwrap());
    assert!(!outbox.dismiss_comment("i1", &fine, "ann").unwrap());
    let shown = outbox.comments("i1", "ann").unwrap();
    assert_eq!((shown[2].text.as_str(), &shown[2].state), ("fine", &CommentState::Sent));
    assert!(outbox.level().is_conserved());
}

#[test]
fn an_answer_to_a_comment_that_was_taken_back_unsent_is_offered_back() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let parent = outbox.add_comment("i1", None, "first", "ann", 1).unwrap();
    let child = outbox.add_comment("i1", Some(&parent), "second", "ann", 2).unwrap();
    let grandchild = outbox.add_comment("i1", Some(&child), "third", "ann", 3).unwrap();
    outbox.delete_comment("i1", &parent, "ann", 4).unwrap();
    let refused: Vec<String> = outbox.refused_comments("ann").unwrap().into_iter().map(|c| c.text).collect();
    assert_eq!(refused, ["second", "third"]);
    outbox.delete_comment("i1", &grandchild, "ann", 5).unwrap();
    assert!(outbox.dismiss_comment("i1", &child, "ann").unwrap());
    let level = outbox.level();
    assert_eq!((level.pending, level.wedged), (0, 0));
    assert!(level.is_conserved(), "{level:?}");
    assert!(!send(&outbox, &mut Server::default(), true, true), "nothing is sent of all that");
}

#[test]
fn bounds_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = open(&folder);
    let add = |item: &str, text: &str| outbox.add_comment(item, None, text, "ann", 1);
    for words in ["", " \n\t", &"x".repeat(2_201)] {
        assert_eq!(add("i1", words), Err(OutboxError::Words));
    }
    assert_eq!(add("", "x"), Err(OutboxError::Identifier));
    assert_eq!(outbox.add_comment("i1", Some(""), "x", "ann", 1), Err(OutboxError::Identifier));
    add("i1", &"é".repeat(2_200)).unwrap();
    let other = add("i1", "x").unwrap();
    assert_eq!(outbox.edit_comment("i2", &other, "y", "ann", 1), Err(OutboxError::NoSuchComment));
    let shown = format!("{:?}", outbox.comments("i1", "ann").unwrap());
    assert!(!shown.contains('é'), "no words of a person in a log");
}
