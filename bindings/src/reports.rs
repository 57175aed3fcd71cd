//! Reports: what is wrong, of what, where, and what became of it.

use std::sync::Arc;

use crate::cancel::{CancelToken, unless_cancelled};
use crate::error::UnspoolError;
use crate::session::Unspool;

/// What is wrong: the class, then the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ReportReason {
    /// Violence or cruelty is shown.
    ViolenceGraphic,
    /// Somebody is threatened, or violence called for.
    ViolenceThreat,
    /// Terror or extremism is praised.
    ViolenceExtremism,
    /// Sexual pictures without a label.
    SexualUnlabelled,
    /// Sexual pictures of somebody who did not agree.
    SexualWithoutConsent,
    /// A child is sexualised, groomed or abused.
    ChildAbuse,
    /// A child is in danger otherwise.
    ChildDanger,
    /// Somebody is harassed or bullied.
    HarassmentBullying,
    /// Somebody is hated for what they are.
    HarassmentHate,
    /// Private facts of somebody are shown.
    HarassmentDoxxing,
    /// Self-harm or suicide.
    SelfHarm,
    /// An eating disorder is praised.
    EatingDisorder,
    /// Challenges that hurt.
    DangerousChallenge,
    /// Fraud.
    MisleadingScam,
    /// Somebody pretends to be somebody else.
    MisleadingImpersonation,
    /// A false tale that does harm.
    MisleadingFalsehood,
    /// Advertising that does not say so.
    MisleadingAdvertising,
    /// Spam.
    Spam,
    /// Forbidden goods.
    ForbiddenGoods,
    /// It infringes somebody's rights.
    Rights,
    /// Lights that flash without a warning.
    FlashingLights,
    /// Anything else.
    Other,
}

/// What is reported, by its identifier: 1 to 128 bytes without # and @.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ReportSubject {
    /// An item.
    Item {
        /// Its identifier.
        id: String,
    },
    /// A creator.
    Creator {
        /// Its identifier.
        id: String,
    },
    /// A comment.
    Comment {
        /// Its identifier.
        id: String,
    },
}

/// Where in a video, in milliseconds from its beginning; a moment where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Scene {
    /// Begins.
    pub from_ms: u64,
    /// Ends.
    pub to_ms: u64,
}

/// One report.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Report {
    /// Of what.
    pub subject: ReportSubject,
    /// What is wrong.
    pub reason: ReportReason,
    /// Where, in an item.
    #[uniffi(default = None)]
    pub scene: Option<Scene>,
    /// In the person's own words, 1 to 300 characters.
    #[uniffi(default = None)]
    pub words: Option<String>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ReportState {
    /// It waits or is on its way.
    Waiting,
    /// The backend has it.
    Received,
    /// The backend does not take it.
    Refused {
        /// What it said.
        reason: String,
    },
    /// Somebody decided.
    Decided {
        /// What, in the backend's words.
        outcome: String,
    },
}

/// A report as the person sees it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FiledReport {
    /// What was reported.
    pub report: Report,
    /// When first, in milliseconds since 1970.
    pub at_ms: i64,
    /// How often; one report is sent however often.
    pub taps: u32,
    /// Its receipt: names it at the backend. Empty until it is written into the outbox.
    pub receipt: String,
    /// What became of it.
    pub state: ReportState,
}

#[uniffi::export]
impl Unspool {
    /// Reports an item, a creator or a comment. On disk when it returns, with or without a network; sent once, before likes,
    /// however often it is called for the same thing and reason. An item leaves the open feed at once and later pages too;
    /// of a creator nothing more is shown after `setBlocked`. The scene and the words of the first call are those that are
    /// sent. Fails with `Config` for an identifier, a scene or words that cannot be such, or when 500 reports wait already.
    #[uniffi::method(default(cancel = None))]
    pub async fn report(&self, report: Report, cancel: Option<Arc<CancelToken>>) -> Result<(), UnspoolError> {
        unless_cancelled(cancel, self.core.report(report.into())).await
    }

    /// What was reported from this device and what became of it, oldest first. `intentsAfter` says when to look again.
    #[uniffi::method(default(cancel = None))]
    pub async fn reports(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<FiledReport>, UnspoolError> {
        let filed = unless_cancelled(cancel, self.core.reports()).await?;
        Ok(filed.into_iter().map(FiledReport::from).collect())
    }

    /// Asks the backend what became of the reports, and gives all of them. Fails with what the backend answered, and with
    /// `Offline` without a network.
    #[uniffi::method(default(cancel = None))]
    pub async fn refresh_reports(
        &self,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<FiledReport>, UnspoolError> {
        let filed = unless_cancelled(cancel, self.core.refresh_reports()).await?;
        Ok(filed.into_iter().map(FiledReport::from).collect())
    }
}

/// Conversions both ways between two enums of the same cases.
macro_rules! same_cases {
    ($here:ident, $there:ty, $($case:ident),+) => {
        impl From<$there> for $here {
            fn from(there: $there) -> Self {
                match there { $(<$there>::$case => $here::$case),+ }
            }
        }
        impl From<$here> for $there {
            fn from(here: $here) -> Self {
                match here { $($here::$case => <$there>::$case),+ }
            }
        }
    };
}

same_cases!(
    ReportReason,
    unspool::ReportReason,
    ViolenceGraphic,
    ViolenceThreat,
    ViolenceExtremism,
    SexualUnlabelled,
    SexualWithoutConsent,
    ChildAbuse,
    ChildDanger,
    HarassmentBullying,
    HarassmentHate,
    HarassmentDoxxing,
    SelfHarm,
    EatingDisorder,
    DangerousChallenge,
    MisleadingScam,
    MisleadingImpersonation,
    MisleadingFalsehood,
    MisleadingAdvertising,
    Spam,
    ForbiddenGoods,
    Rights,
    FlashingLights,
    Other
);

impl From<Report> for unspool::Report {
    fn from(report: Report) -> Self {
        let Report { subject, reason, scene, words } = report;
        let subject = match subject {
            ReportSubject::Item { id } => unspool::ReportSubject::Item(id),
            ReportSubject::Creator { id } => unspool::ReportSubject::Creator(id),
            ReportSubject::Comment { id } => unspool::ReportSubject::Comment(id),
        };
        let scene = scene.map(|Scene { from_ms, to_ms }| unspool::Scene { from_ms, to_ms });
        unspool::Report { subject, reason: reason.into(), scene, words }
    }
}

impl From<unspool::Report> for Report {
    fn from(report: unspool::Report) -> Self {
        let unspool::Report { subject, reason, scene, words } = report;
        let subject = match subject {
            unspool::ReportSubject::Item(id) => ReportSubject::Item { id },
            unspool::ReportSubject::Creator(id) => ReportSubject::Creator { id },
            unspool::ReportSubject::Comment(id) => ReportSubject::Comment { id },
        };
        let scene = scene.map(|unspool::Scene { from_ms, to_ms }| Scene { from_ms, to_ms });
        Report { subject, reason: reason.into(), scene, words }
    }
}

impl From<unspool::Filed> for FiledReport {
    fn from(filed: unspool::Filed) -> Self {
        let unspool::Filed { report, at_ms, taps, receipt, state } = filed;
        let state = match state {
            unspool::ReportState::Waiting => ReportState::Waiting,
            unspool::ReportState::Received => ReportState::Received,
            unspool::ReportState::Refused { reason } => ReportState::Refused { reason },
            unspool::ReportState::Decided { outcome } => ReportState::Decided { outcome },
        };
        FiledReport { report: report.into(), at_ms, taps, receipt, state }
    }
}
