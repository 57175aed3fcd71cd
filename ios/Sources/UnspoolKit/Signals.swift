import UnspoolCore

/// What the system says of the device, in the words of its own frameworks.
public struct Signals: Equatable, Sendable {
    /// `NWPath.status` is `satisfied`.
    public var connected = true
    /// What carries the network, where that is known.
    public var transport: Transport?
    /// `NWPath.isExpensive`: cellular, or somebody's personal hotspot. iOS tells nobody about roaming; this holds it.
    public var expensive = false
    /// `NWPath.isConstrained`: the person turned on Low Data Mode for this network.
    public var constrained = false
    /// `ProcessInfo.isLowPowerModeEnabled`.
    public var lowPower = false
    /// `ProcessInfo.thermalState`.
    public var thermal = Thermal.nominal
    /// Less room than is wise to use up; see ``lowStorageBytes``.
    public var lowStorage = false
    /// What the scene is: on the screen, or behind.
    public var scene = Scene.active

    public init() {}

    /// Below this many bytes for important use the device is short of room: what iOS itself needs to install an update is
    /// several times more, and it begins to delete caches before.
    public static let lowStorageBytes: Int64 = 500_000_000

    /// What the core decides with.
    public var conditions: Conditions {
        Conditions(
            online: connected, metered: expensive, dataSaver: constrained, foreground: scene != .background,
            lowStorage: lowStorage, batterySaver: lowPower, hot: thermal >= .serious, network: transport?.network)
    }

    /// `ScenePhase`.
    public enum Scene: Sendable {
        case active, inactive, background
    }

    /// `ProcessInfo.ThermalState`, with its numbers.
    public enum Thermal: Int, Comparable, Sendable {
        case nominal, fair, serious, critical

        public static func < (one: Thermal, other: Thermal) -> Bool { one.rawValue < other.rawValue }
    }
}

/// What carries the network.
public enum Transport: Sendable {
    case wifi, cellular5g, cellular4g, cellularSlow

    /// A mobile network by the name of its technology, a constant of `CTTelephonyNetworkInfo`; nil for one that is not known.
    public init?(radio: String) {
        switch radio {
        case "CTRadioAccessTechnologyNR", "CTRadioAccessTechnologyNRNSA": self = .cellular5g
        case "CTRadioAccessTechnologyLTE": self = .cellular4g
        case "CTRadioAccessTechnologyGPRS", "CTRadioAccessTechnologyEdge", "CTRadioAccessTechnologyCDMA1x",
            "CTRadioAccessTechnologyWCDMA", "CTRadioAccessTechnologyHSDPA", "CTRadioAccessTechnologyHSUPA",
            "CTRadioAccessTechnologyCDMAEVDORev0", "CTRadioAccessTechnologyCDMAEVDORevA",
            "CTRadioAccessTechnologyCDMAEVDORevB", "CTRadioAccessTechnologyeHRPD":
            self = .cellularSlow
        default: return nil
        }
    }

    var network: NetworkClass {
        switch self {
        case .wifi: .wifi
        case .cellular5g: .cellular5g
        case .cellular4g: .cellular4g
        case .cellularSlow: .cellularSlow
        }
    }
}

/// What `AVAudioSession` says.
public enum AudioNews: Equatable, Sendable {
    /// An interruption began: a call, an alarm, another app.
    case interrupted
    /// It is over; whether the system says that one should go on.
    case interruptionOver(resume: Bool)
    /// The device that played is gone: headphones were pulled out.
    case outputGone
    /// Another app speaks over this one, and suffers quiet sound beside it; or it has ended.
    case othersSpeak(Bool)

    var focus: SoundFocus {
        switch self {
        case .interrupted: .lostForNow
        case .interruptionOver(resume: true), .othersSpeak(false): .gained
        case .interruptionOver(resume: false): .lost
        case .outputGone: .becomingNoisy
        case .othersSpeak(true): .duck
        }
    }
}

/// What `DispatchSource` says of memory, and `UIApplication` with its warning.
public enum MemoryNews: Sendable {
    case normal, warning, critical

    var pressure: MemoryPressure {
        switch self {
        case .normal: .normal
        case .warning: .low
        case .critical: .critical
        }
    }
}
