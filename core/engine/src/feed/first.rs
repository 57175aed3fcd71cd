//! A feed that begins with a card somebody asked for by name: a link that was opened, a video that was shared.
//!
//! Nothing gets a place before that card has one or is known not to come. It comes from what the device knew already, or from
//! the first page, whose request names it. The filter has the last word: what it hides does not come.

use crate::model::Item;
use crate::pipeline::{Lesson, Manner, Reason};

use super::saved::SavedFeed;
use super::{Admitted, Feed};

impl Feed {
    /// Begins with this item; said before anything is put back or arrives.
    pub fn begin_with(&mut self, item: String) {
        self.first = Some(item);
    }

    /// Whether the card that was asked for has neither come nor failed to.
    pub(super) fn awaits_first(&self) -> bool {
        self.first.is_some()
    }

    /// Gives the card that was asked for its place, if it is here.
    pub(super) fn place_first(&mut self) {
        let Some(first) = &self.first else { return };
        let Some(chosen) = self.waiting.iter().position(|card| card.item.id == *first) else { return };
        self.first = None;
        let mut card = self.waiting.remove(chosen);
        card.reason = Some(Box::new(Reason::asked_for()));
        let topics = card.item.topics.clone();
        self.fix(card);
        if self.manner == Manner::Profiled {
            self.tell(Lesson::Placed { topics });
        }
    }

    /// The first page was answered: what was asked for stands at its place, or does not come.
    pub(super) fn settle_first(&mut self) {
        self.place_first();
        self.first = None;
    }

    /// Takes over what an earlier session kept as candidates, without the places they had. Gives what the filter hides.
    pub(super) fn take_over(&mut self, saved: SavedFeed) -> Vec<Item> {
        let SavedFeed { items, seen, waiting, .. } = saved;
        let mut hidden = Vec::new();
        for (index, item) in items.into_iter().chain(waiting).enumerate() {
            // What was seen is not shown again, unless it is asked for.
            if index < seen && self.first.as_ref() != Some(&item.id) {
                continue;
            }
            match self.admit_one(item) {
                Admitted::New(card) => self.waiting.push(card),
                Admitted::Hidden(item) => hidden.push(item),
                Admitted::Known(_) => {}
            }
        }
        hidden
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::feed::{PageFailure, PageRequest, Step};
    use crate::model::Page;
    use crate::pipeline::Pipeline;
    use crate::ranking::RankingPolicy;
    use crate::safety::Filter;
    use crate::time::Time;

    const MANNERS: [Manner; 4] = [Manner::Profiled, Manner::NonProfiled, Manner::AsAsked, Manner::Course];

    fn item(id: &str) -> Item {
        let creator = crate::model::Creator { id: format!("by {id}"), ..Default::default() };
        let labels = vec![crate::feed::REVIEWED.to_owned()];
        Item { id: id.to_owned(), creator, labels, topics: vec![format!("about {id}")], ..Item::default() }
    }

    fn feed(manner: Manner) -> Feed {
        let mut feed = Feed::new(1);
        feed.begin_with("wanted".to_owned());
        feed.set_ranking(manner, Arc::new(Pipeline::new(Arc::new(RankingPolicy::shipped().unwrap()))));
        feed
    }

    fn page(ids: &[&str]) -> Page {
        Page { items: ids.iter().map(|id| item(id)).collect(), next_cursor: Some("2".to_owned()) }
    }

    fn asked(feed: &mut Feed) -> PageRequest {
        feed.poll_request(Time::ZERO).expect("a page is due")
    }

    fn ids(feed: &Feed) -> Vec<&str> {
        feed.positions().filter_map(|p| feed.item(p)).map(|i| i.id.as_str()).collect()
    }

    fn saved(seen: usize) -> SavedFeed {
        let items = ["a", "wanted", "b", "c"].map(item).to_vec();
        SavedFeed { items, seen, fixed: seen, cursor: Some("9".to_owned()), ..SavedFeed::default() }
    }

    #[test]
    fn it_stands_first_wherever_it_is_on_the_page_and_is_asked_for_once() {
        for manner in MANNERS {
            let mut feed = feed(manner);
            let request = asked(&mut feed);
            assert_eq!((request.first.as_deref(), request.cursor), (Some("wanted"), None));
            feed.handle_page(Time::ZERO, request.id, Ok(page(&["a", "b", "wanted", "c"])));
            assert_eq!(ids(&feed), ["wanted", "a", "b", "c"], "{manner:?}");
            assert_eq!(feed.why(0), Some(Reason::asked_for()));
            assert_eq!(feed.next(|_, _| true), Step::Moved(0));
            let next = asked(&mut feed);
            assert_eq!((next.first, next.cursor.as_deref()), (None, Some("2")));
        }
    }

    #[test]
    fn one_that_does_not_come_leaves_the_feed_as_it_would_be() {
        let mut feed = feed(Manner::Profiled);
        let request = asked(&mut feed);
        feed.handle_page(Time::ZERO, request.id, Ok(page(&["a", "b"])));
        assert_eq!(ids(&feed), ["a", "b"]);
        feed.refresh();
        assert_eq!(asked(&mut feed).first, None, "what is gone is not asked for again");
    }

    #[test]
    fn nothing_takes_its_place_while_it_may_still_come() {
        let mut feed = feed(Manner::Profiled);
        let kept = SavedFeed { items: vec![item("a"), item("b")], ..SavedFeed::default() };
        feed.restore(kept);
        assert_eq!(feed.next(|_, _| true), Step::Waiting);
        let request = asked(&mut feed);
        let failure = PageFailure { retryable: true, ..PageFailure::default() };
        feed.handle_page(Time::ZERO, request.id, Err(failure));
        assert_eq!(feed.next(|_, _| true), Step::Waiting);
        feed.retry_now();
        let request = asked(&mut feed);
        assert_eq!(request.first.as_deref(), Some("wanted"), "a request that failed is repeated as it was");
        feed.handle_page(Time::ZERO, request.id, Ok(page(&["wanted", "c"])));
        assert_eq!(ids(&feed), ["wanted", "a", "b", "c"]);
    }

    #[test]
    fn what_the_device_knows_needs_no_page_and_what_was_seen_does_not_come_again() {
        for seen in [0, 2, 4] {
            let mut feed = feed(Manner::Profiled);
            assert!(feed.restore(saved(seen)).is_empty());
            let behind: &[&str] = match seen {
                0 => &["a", "b", "c"],
                2 => &["b", "c"],
                _ => &[],
            };
            assert_eq!(ids(&feed)[0], "wanted");
            assert_eq!(ids(&feed)[1..], *behind);
            let request = asked(&mut feed);
            assert_eq!((request.first, request.cursor), (None, None), "the feed begins anew behind it");
        }
    }

    #[test]
    fn what_the_filter_hides_does_not_come_for_being_asked_for() {
        let hidden = |id: &str| Item { labels: vec!["porn".to_owned()], ..item(id) };
        let mut feed = feed(Manner::NonProfiled);
        let cautious = Filter::cautious();
        assert!(cautious.decide(&hidden("wanted")).hides() && !cautious.decide(&item("a")).hides());
        let request = asked(&mut feed);
        let items = vec![item("a"), hidden("wanted")];
        feed.handle_page(Time::ZERO, request.id, Ok(Page { items, next_cursor: None }));
        assert_eq!((ids(&feed), feed.hidden()), (vec!["a"], 1));
    }
}
