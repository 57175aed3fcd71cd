//! What becomes of the words a person writes while older ones wait, are on their way, or were refused.
//!
//! A comment has an identity of its own from the moment it is written, so that it can be answered, changed and deleted
//! before any server knows it. At most one deed of a comment is on its way and one waits behind it: what waits is
//! rewritten in place, what is on its way is left alone. What was written and deleted before it was sent leaves nothing.
//! A refused deed stays, with its words, until it is rewritten, deleted or dismissed.

/// What can be asked of the server about a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Write it.
    Create,
    /// Give it other words.
    Edit,
    /// Take it away.
    Delete,
}

impl Deed {
    /// The name it is stored and told under.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Deed::Create => "create",
            Deed::Edit => "edit",
            Deed::Delete => "delete",
        }
    }

    /// The deed of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Deed> {
        [Deed::Create, Deed::Edit, Deed::Delete].into_iter().find(|deed| deed.name() == name)
    }
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// The server has it, as far as is known.
    pub sent: bool,
    /// What is on its way.
    pub flying: Option<Deed>,
    /// What waits behind it, or was refused.
    pub waiting: Option<Deed>,
    /// Whether what waits was refused.
    pub refused: bool,
}

/// What the person does with a comment that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Other words.
    Words {
        /// They are those that are shown already.
        shown: bool,
        /// They are those that the server has.
        sent: bool,
    },
    /// It shall be gone.
    Gone,
}

/// What is to be done about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// What is wanted is so already, or on its way.
    Nothing,
    /// A new deed waits from now on.
    Queue(Deed),
    /// What waits takes the change over and becomes this deed.
    Become(Deed),
    /// What waits goes, and nothing takes its place.
    Vanish,
    /// There is no such comment, or it is being deleted.
    NoSuch,
}

impl Standing {
    /// What a change asks for.
    #[must_use]
    pub fn plan(self, change: Change) -> Plan {
        let deleted =
            self.flying == Some(Deed::Delete) || (self.waiting == Some(Deed::Delete) && !self.refused);
        match change {
            Change::Gone if deleted => Plan::Nothing,
            Change::Words { .. } if deleted => Plan::NoSuch,
            Change::Words { shown, sent } => match self.waiting {
                // A refused deed with the same words is tried again.
                Some(_) if shown && !self.refused => Plan::Nothing,
                Some(Deed::Edit) if sent && self.flying.is_none() => Plan::Vanish,
                Some(Deed::Create) => Plan::Become(Deed::Create),
                Some(Deed::Edit | Deed::Delete) => Plan::Become(Deed::Edit),
                None if shown && (self.sent || self.flying.is_some()) => Plan::Nothing,
                None if self.sent || self.flying.is_some() => Plan::Queue(Deed::Edit),
                None => Plan::NoSuch,
            },
            Change::Gone => match self.waiting {
                Some(Deed::Create) => Plan::Vanish,
                Some(Deed::Edit | Deed::Delete) => Plan::Become(Deed::Delete),
                None if self.sent || self.flying.is_some() => Plan::Queue(Deed::Delete),
                None => Plan::NoSuch,
            },
        }
    }
}

/// What becomes of a refused deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    /// It stays in sight with the reason.
    Wedge,
    /// It stays in sight, with the words that waited behind it.
    WedgeNewest,
    /// What waits behind it counts instead.
    GiveWay,
    /// Nothing is left to say: it was never written and is to be gone.
    Vanish,
}

/// What becomes of `refused`, with `waiting` behind it.
#[must_use]
pub fn after_refusal(refused: Deed, waiting: Option<Deed>) -> Aftermath {
    match (refused, waiting) {
        (_, None) => Aftermath::Wedge,
        (Deed::Create, Some(Deed::Delete)) => Aftermath::Vanish,
        (Deed::Create, Some(_)) => Aftermath::WedgeNewest,
        (Deed::Edit | Deed::Delete, Some(_)) => Aftermath::GiveWay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEEDS: [Option<Deed>; 4] = [None, Some(Deed::Create), Some(Deed::Edit), Some(Deed::Delete)];

    fn words() -> [Change; 4] {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(shown, sent)| Change::Words { shown, sent })
    }

    /// Every standing that can come about.
    fn standings() -> Vec<Standing> {
        let mut all = Vec::new();
        for sent in [false, true] {
            for flying in DEEDS {
                for waiting in DEEDS {
                    for refused in [false, true] {
                        let written_twice = flying.is_some() && waiting == Some(Deed::Create);
                        let unwritten =
                            sent == (flying == Some(Deed::Create) || waiting == Some(Deed::Create));
                        let after_the_end = flying == Some(Deed::Delete) && waiting.is_some();
                        // What is refused gives way to what waits, so the two are never there together.
                        let both = refused && (waiting.is_none() || flying.is_some());
                        if !(written_twice || unwritten || after_the_end || both) {
                            all.push(Standing { sent, flying, waiting, refused });
                        }
                    }
                }
            }
        }
        all
    }

    #[test]
    fn what_is_on_its_way_is_never_changed_and_a_second_never_waits() {
        for standing in standings() {
            for change in words().into_iter().chain([Change::Gone]) {
                match standing.plan(change) {
                    Plan::Queue(deed) => {
                        assert_eq!(standing.waiting, None, "{standing:?}");
                        assert_ne!(deed, Deed::Create, "an identity is written once: {standing:?}");
                    }
                    Plan::Become(deed) => {
                        let waiting = standing.waiting.unwrap();
                        assert_eq!(deed == Deed::Create, waiting == Deed::Create, "{standing:?} {change:?}");
                    }
                    Plan::Vanish => assert!(standing.waiting.is_some() && standing.flying.is_none()),
                    Plan::Nothing | Plan::NoSuch => {}
                }
            }
        }
    }

    #[test]
    fn an_unsent_comment_is_rewritten_and_deleted_without_a_word() {
        let unsent = Standing { waiting: Some(Deed::Create), ..Standing::default() };
        for change in words() {
            let expected = if matches!(change, Change::Words { shown: true, .. }) {
                Plan::Nothing
            } else {
                Plan::Become(Deed::Create)
            };
            assert_eq!(unsent.plan(change), expected);
        }
        assert_eq!(unsent.plan(Change::Gone), Plan::Vanish);
    }

    #[test]
    fn a_comment_on_its_way_gets_a_follow_up() {
        let flying = Standing { flying: Some(Deed::Create), ..Standing::default() };
        let other = Change::Words { shown: false, sent: false };
        assert_eq!(flying.plan(other), Plan::Queue(Deed::Edit));
        assert_eq!(flying.plan(Change::Gone), Plan::Queue(Deed::Delete));
        let edited = Standing { waiting: Some(Deed::Edit), ..flying };
        assert_eq!(edited.plan(other), Plan::Become(Deed::Edit));
        assert_eq!(edited.plan(Change::Words { shown: false, sent: true }), Plan::Become(Deed::Edit));
        assert_eq!(edited.plan(Change::Gone), Plan::Become(Deed::Delete));
        let going = Standing { waiting: Some(Deed::Delete), ..flying };
        assert_eq!((going.plan(other), going.plan(Change::Gone)), (Plan::NoSuch, Plan::Nothing));
    }

    #[test]
    fn words_that_the_server_has_need_no_edit() {
        let edited = Standing { sent: true, waiting: Some(Deed::Edit), ..Standing::default() };
        assert_eq!(edited.plan(Change::Words { shown: false, sent: true }), Plan::Vanish);
        let sent = Standing { sent: true, ..Standing::default() };
        assert_eq!(sent.plan(Change::Words { shown: true, sent: true }), Plan::Nothing);
        assert_eq!(Standing::default().plan(Change::Gone), Plan::NoSuch);
    }

    #[test]
    fn refused_words_are_tried_again_or_taken_back() {
        let refused = Standing { waiting: Some(Deed::Create), refused: true, ..Standing::default() };
        let same = Change::Words { shown: true, sent: false };
        assert_eq!(refused.plan(same), Plan::Become(Deed::Create));
        assert_eq!(refused.plan(Change::Gone), Plan::Vanish);
        let kept = Standing { sent: true, waiting: Some(Deed::Delete), refused: true, flying: None };
        assert_eq!(kept.plan(Change::Gone), Plan::Become(Deed::Delete));
        assert_eq!(kept.plan(same), Plan::Become(Deed::Edit));
    }

    #[test]
    fn a_refusal_costs_no_words() {
        assert_eq!(after_refusal(Deed::Create, None), Aftermath::Wedge);
        assert_eq!(after_refusal(Deed::Create, Some(Deed::Edit)), Aftermath::WedgeNewest);
        assert_eq!(after_refusal(Deed::Create, Some(Deed::Delete)), Aftermath::Vanish);
        assert_eq!(after_refusal(Deed::Edit, Some(Deed::Delete)), Aftermath::GiveWay);
        assert_eq!(after_refusal(Deed::Edit, Some(Deed::Edit)), Aftermath::GiveWay);
    }
}
