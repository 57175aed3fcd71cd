//! The policy in plain words: every number of it, what it does, and how much.

use serde::Serialize;

use super::{
    BreakerLimits, DetectorLimits, ExposureLimits, InterestWeights, LabelWeights, LearnerWeights,
    RankingPolicy, RidgeWeights, TasteWeights,
};

/// One number of the policy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Where it stands in the file, for example `learner.topic.weight`.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What it does, in a sentence for the person whose feed it is.
    pub words: String,
}

impl RankingPolicy {
    /// Everything that decides the order of the feed, in plain words: each factor and weight, none left out.
    #[must_use]
    pub fn main_parameters(&self) -> Vec<Parameter> {
        let RankingPolicy { schema, version, learner, breaker, detector, exposure } = self;
        let mut out = Vec::new();
        put(&mut out, "schema", schema, "The shape of the list below.");
        put(&mut out, "version", version, "The name of these numbers; every viewing is filed with it.");
        learner_words(&mut out, learner);
        breaker_words(&mut out, breaker);
        detector_words(&mut out, detector);
        exposure_words(&mut out, exposure);
        out
    }
}

fn put(out: &mut Vec<Parameter>, name: &str, value: impl ToString, words: &str) {
    out.push(Parameter { name: name.to_owned(), value: value.to_string(), words: words.to_owned() });
}

fn learner_words(out: &mut Vec<Parameter>, learner: &LearnerWeights) {
    let LearnerWeights {
        unknown_prior,
        most,
        label,
        ridge,
        topic,
        creator,
        length,
        interest,
        refusal_viewings,
        setting,
    } = learner;
    let mut put = |name: &str, value: String, words: &str| put(out, &format!("learner.{name}"), value, words);
    put(
        "unknown_prior",
        unknown_prior.to_string(),
        "Every video starts with the service's own estimate, from 0 to 1, that it is watched well; one without an \
         estimate starts here.",
    );
    put(
        "most",
        most.to_string(),
        "What was learnt about you may move a video by at most this much, up or down.",
    );
    let LabelWeights { long_view_ms, skip_ms, partial, like, share, save, comment, follow } = label;
    put(
        "label.long_view_ms",
        long_view_ms.to_string(),
        "A viewing counts fully when you saw the whole video or this many milliseconds of it.",
    );
    put("label.skip_ms", skip_ms.to_string(), "Swiping away before this many milliseconds counts as zero.");
    put("label.partial", partial.to_string(), "A viewing in between counts in proportion, up to this.");
    put("label.like", like.to_string(), "Added to a viewing when you liked the video.");
    put("label.share", share.to_string(), "Added to a viewing when you shared the video.");
    put("label.save", save.to_string(), "Added to a viewing when you saved the video.");
    put("label.comment", comment.to_string(), "Added to a viewing when you commented.");
    put("label.follow", follow.to_string(), "Added to a viewing when you followed its creator.");
    let RidgeWeights { weight, strength, level_strength, keep } = ridge;
    put(
        "ridge.weight",
        weight.to_string(),
        "Videos lie near each other when the same people watch them; how much it counts that a video lies near those you \
         watched well.",
    );
    put("ridge.strength", strength.to_string(), "How many signs it takes before that begins to count.");
    put(
        "ridge.level_strength",
        level_strength.to_string(),
        "How soon your general level of watching is believed.",
    );
    put("ridge.keep", keep.to_string(), "How much of a viewing is still remembered there after one more.");
    for (name, taste, what) in
        [("topic", topic, "topic"), ("creator", creator, "creator"), ("length", length, "length")]
    {
        let TasteWeights { weight, pretended, chance, keep } = taste;
        put(
            &format!("{name}.weight"),
            weight.to_string(),
            &format!(
                "How much it counts whether you watch videos of the same {what} longer or shorter than expected."
            ),
        );
        put(
            &format!("{name}.pretended"),
            pretended.to_string(),
            &format!("How many viewings of a {what} it takes before that counts for half."),
        );
        put(
            &format!("{name}.chance"),
            chance.to_string(),
            &format!("How clear it has to be, beyond chance, that you lean towards or away from a {what}."),
        );
        put(
            &format!("{name}.keep"),
            keep.to_string(),
            &format!("How much of a viewing is still remembered for its {what} after one more."),
        );
    }
    let InterestWeights { viewings, lean } = interest;
    put(
        "interest.viewings",
        viewings.to_string(),
        "A topic you chose at the start counts like this many viewings.",
    );
    put(
        "interest.lean",
        lean.to_string(),
        "How much better than expected those viewings are taken to have gone.",
    );
    put(
        "refusal_viewings",
        refusal_viewings.to_string(),
        "Saying \"not interested\", hiding or reporting counts like this many viewings that went badly.",
    );
    put(
        "setting",
        setting.to_string(),
        "What moving a topic's own slider fully up or down adds or takes away.",
    );
}

fn breaker_words(out: &mut Vec<Parameter>, limits: &BreakerLimits) {
    let BreakerLimits { window, per_topic, per_sensitive, sensitive } = limits;
    put(out, "breaker.window", window, "Topics are counted over this many videos in a row.");
    put(out, "breaker.per_topic", per_topic, "No topic has more than this many of them.");
    put(out, "breaker.per_sensitive", per_sensitive, "A sensitive topic has no more than this many.");
    put(out, "breaker.sensitive", sensitive.join(", "), "The sensitive topics.");
}

fn detector_words(out: &mut Vec<Parameter>, limits: &DetectorLimits) {
    let DetectorLimits {
        window,
        share,
        rise,
        shrink,
        late_from_min,
        late_until_min,
        long_session_ms,
        narrowing,
        stuck,
        patience,
    } = limits;
    let mut put =
        |name: &str, value: String, words: &str| put(out, &format!("detector.{name}"), value, words);
    put("window", window.to_string(), "Signs of a loop are looked for in this many videos.");
    put("share", share.to_string(), "First sign: one topic has at least this share of them.");
    put("rise", rise.to_string(), "Second sign: that share grew by this much.");
    put("shrink", shrink.to_string(), "Third sign: you stay less than this share of what you stayed before.");
    put("late_from_min", late_from_min.to_string(), "Fourth sign: it is later than this minute of the day.");
    put("late_until_min", late_until_min.to_string(), "Until this minute of the day it counts as late.");
    put(
        "long_session_ms",
        long_session_ms.to_string(),
        "Fifth sign: you have been here this many milliseconds.",
    );
    put(
        "narrowing",
        narrowing.to_string(),
        "With this many signs, the first among them, the feed counts as narrowing.",
    );
    put(
        "stuck",
        stuck.to_string(),
        "With this many, it brings another topic and says so, then offers a way out.",
    );
    put("patience", patience.to_string(), "Videos between one word about it and the next.");
}

fn exposure_words(out: &mut Vec<Parameter>, limits: &ExposureLimits) {
    let ExposureLimits { least_viewings, ratio, sureness, lift_per_card, most_lift } = limits;
    put(
        out,
        "exposure.least_viewings",
        least_viewings,
        "A group of videos is judged after this many viewings.",
    );
    put(
        out,
        "exposure.ratio",
        ratio,
        "A group counts as held down when it is watched this many times better than the service expected, compared with \
         all others.",
    );
    put(out, "exposure.sureness", sureness, "How far beyond chance that must be, in standard errors.");
    put(
        out,
        "exposure.lift_per_card",
        lift_per_card,
        "When less common topics were shown less often than they deserve, their videos move up by this for each video owed.",
    );
    put(out, "exposure.most_lift", most_lift, "They move up by no more than this.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    leaves(field, &path, out);
                }
            }
            _ => out.push(path.to_owned()),
        }
    }

    #[test]
    fn no_number_is_left_out() {
        let policy = RankingPolicy::shipped().unwrap();
        let mut wanted = Vec::new();
        leaves(&serde_json::to_value(&policy).unwrap(), "", &mut wanted);
        let told = policy.main_parameters();
        let mut names: Vec<String> = told.iter().map(|p| p.name.clone()).collect();
        wanted.sort();
        names.sort();
        assert_eq!(names, wanted);
        assert!(told.iter().all(|p| p.words.ends_with('.') && !p.value.is_empty()), "{told:?}");
    }
}
