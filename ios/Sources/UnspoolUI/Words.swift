import Foundation
import UnspoolKit

/// The words of the screens, in English; Xcode collects them into the app's catalogue of strings by their keys.
enum Words {
    static func of(_ trouble: Trouble) -> String {
        switch trouble.kind {
        case .offline: said("trouble.offline", "No network. What is on this phone still plays.")
        case .signedOut: said("trouble.signedOut", "Please sign in again.")
        case .server: said("trouble.server", "The server does not answer as it should.")
        case .storageFull: said("trouble.storageFull", "There is no room left on this phone.")
        case .storage: said("trouble.storage", "This phone could not store something.")
        case .inUse: said("trouble.inUse", "The app is open a second time.")
        case .pausedByLimit: said("trouble.pausedByLimit", "Your own limit asks for a break.")
        case .guarded: said("trouble.guarded", "This takes the guardian’s passcode.")
        case .wrongPasscode: said("trouble.wrongPasscode", "That was not the passcode.")
        case .refused: said("trouble.refused", "That does not work here.")
        case .ended: said("trouble.ended", "This session has ended.")
        case .broken: said("trouble.broken", "Something went wrong.")
        }
    }

    static func of(_ remedy: Remedy) -> String? {
        switch remedy {
        case .retry: said("remedy.retry", "Try again")
        case .signIn: said("remedy.signIn", "Sign in")
        case .freeSpace: said("remedy.freeSpace", "Free space")
        case .none: nil
        }
    }

    static func of(_ cover: CoverWord) -> String {
        switch cover.kind {
        case .adult: said("cover.adult", "Content for adults")
        case .scam: said("cover.scam", "May be a scam")
        case .conspiracy: said("cover.conspiracy", "May tell a conspiracy tale")
        case .propaganda: said("cover.propaganda", "May be propaganda")
        case .flashing: said("cover.flashing", "Flashing lights")
        case .label: said("cover.label", "Labelled “\(cover.name)”")
        case .age: said("cover.age", "Not for your age")
        case .mutedWord: said("cover.mutedWord", "A word you muted: “\(cover.name)”")
        case .mutedTopic: said("cover.mutedTopic", "A topic you muted: “\(cover.name)”")
        case .mutedSound: said("cover.mutedSound", "A sound you muted")
        case .mutedCreator: said("cover.mutedCreator", "A creator you muted")
        case .blocked: said("cover.blocked", "Somebody who is blocked")
        case .rule: said("cover.rule", "Covered by this app’s rules")
        case .gone: said("cover.gone", "No longer there")
        }
    }

    static func of(_ cause: BreakCause) -> String {
        switch cause {
        case .page: said("break.page", "That was a page. Go on?")
        case .rest: said("break.rest", "Time for a rest.")
        case .daily: said("break.daily", "That is it for today.")
        case .night: said("break.night", "It is time to sleep.")
        }
    }

    static func of(_ action: BreakAction) -> String {
        switch action {
        case .leave: said("break.leave", "Leave")
        case .wait, .goOn: said("break.goOn", "Go on")
        case .allowMore: said("break.allowMore", "Ask for more time")
        }
    }

    static func of(_ choice: LoopChoice) -> String {
        switch choice {
        case .takeBreak: said("loop.takeBreak", "Take a break")
        case .resetTopic: said("loop.resetTopic", "Forget this topic")
        case .keepGoing: said("loop.keepGoing", "Keep going")
        }
    }

    static func of(_ harm: Harm) -> String {
        switch harm {
        case .adult: said("harm.adult", "Adult content")
        case .scam: said("harm.scam", "Scams and false advertising")
        case .conspiracy: said("harm.conspiracy", "Conspiracy tales")
        case .propaganda: said("harm.propaganda", "Propaganda")
        case .flashing: said("harm.flashing", "Flashing lights")
        }
    }

    static func of(_ choice: SafetyChoice) -> String {
        switch choice {
        case .show: said("choice.show", "Show")
        case .warn: said("choice.warn", "Warn")
        case .hide: said("choice.hide", "Hide")
        }
    }

    static func of(_ measure: BreakMeasure) -> String {
        switch measure {
        case .remind: said("measure.remind", "Remind me")
        case .pause: said("measure.pause", "Pause for half a minute")
        case .stop: said("measure.stop", "Stop")
        }
    }

    static func of(_ age: AgeBand) -> String {
        switch age {
        case .unknown: said("age.unknown", "I would rather not say")
        case .under16: said("age.under16", "Under 16")
        case .teen: said("age.teen", "16 or 17")
        case .adult: said("age.adult", "18 or older")
        }
    }

    static func of(_ purpose: Purpose) -> String {
        switch purpose {
        case .personalisation: said("purpose.personalisation", "Better recommendations")
        case .measurement: said("purpose.measurement", "Counting views for creators and rights")
        case .quality: said("purpose.quality", "Finding out how well videos play")
        }
    }

    static func of(_ scope: EraseScope) -> String {
        switch scope {
        case .history: said("erase.history", "What was learnt and seen")
        case .media: said("erase.media", "Stored videos")
        case .telemetry: said("erase.telemetry", "Records of use")
        case .deeds: said("erase.deeds", "Likes, follows, comments")
        case .account: said("erase.account", "Everything of this account")
        }
    }

    static func of(_ reason: ReportReason) -> String {
        switch reason {
        case .violenceGraphic: said("report.violenceGraphic", "Graphic violence")
        case .violenceThreat: said("report.violenceThreat", "A threat or a call for violence")
        case .violenceExtremism: said("report.violenceExtremism", "Praise of terror or extremism")
        case .sexualUnlabelled: said("report.sexualUnlabelled", "Sexual content without a label")
        case .sexualWithoutConsent: said("report.sexualWithoutConsent", "Sexual content without consent")
        case .childAbuse: said("report.childAbuse", "Abuse of a child")
        case .childDanger: said("report.childDanger", "A child in danger")
        case .harassmentBullying: said("report.harassmentBullying", "Bullying")
        case .harassmentHate: said("report.harassmentHate", "Hate")
        case .harassmentDoxxing: said("report.harassmentDoxxing", "Private facts about somebody")
        case .selfHarm: said("report.selfHarm", "Self-harm or suicide")
        case .eatingDisorder: said("report.eatingDisorder", "Praise of an eating disorder")
        case .dangerousChallenge: said("report.dangerousChallenge", "A dangerous challenge")
        case .misleadingScam: said("report.misleadingScam", "A scam")
        case .misleadingImpersonation: said("report.misleadingImpersonation", "Pretending to be somebody else")
        case .misleadingFalsehood: said("report.misleadingFalsehood", "A harmful falsehood")
        case .misleadingAdvertising: said("report.misleadingAdvertising", "Hidden advertising")
        case .spam: said("report.spam", "Spam")
        case .forbiddenGoods: said("report.forbiddenGoods", "Forbidden goods")
        case .rights: said("report.rights", "It infringes rights")
        case .flashingLights: said("report.flashingLights", "Flashing lights without a warning")
        case .other: said("report.other", "Something else")
        }
    }

    /// Text of a screen.
    static func said(_ key: StaticString, _ english: String.LocalizationValue) -> String {
        String(localized: key, defaultValue: english, bundle: .module)
    }

    /// Minutes and hours in the person's own way of writing them.
    static func duration(ms: UInt64) -> String {
        Duration.milliseconds(Int64(clamping: ms)).formatted(.units(allowed: [.hours, .minutes, .seconds], width: .wide, maximumUnitCount: 2))
    }

    static func bytes(_ count: UInt64) -> String { Int64(clamping: count).formatted(.byteCount(style: .file)) }
}
