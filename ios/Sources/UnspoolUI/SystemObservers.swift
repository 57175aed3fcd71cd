import AVFAudio
import CoreTelephony
import Network
import UIKit
import UnspoolKit

/// Listens to the system and passes on what it says: each observer turns one API's words into ``Signals``, nothing more.
///
/// The scene's phase is the view's to tell (`onChange(of: scenePhase)`), because only SwiftUI knows it.
@MainActor
public final class SystemObservers {
    private let device: DeviceModel
    private let path = NWPathMonitor()
    private let radio = CTTelephonyNetworkInfo()
    private let pressure = DispatchSource.makeMemoryPressureSource(eventMask: [.normal, .warning, .critical], queue: .main)
    private var observers: [any NSObjectProtocol] = []

    /// Begins to listen. What is the case now is told at once.
    public init(_ device: DeviceModel) {
        self.device = device
        listenToPath()
        listenToPower()
        listenToAudio()
        listenToMemory()
        hear(.NSSystemTimeZoneDidChange) { device, _ in device.timeZone() }
        hear(UIApplication.significantTimeChangeNotification) { device, _ in device.timeZone() }
        device.timeZone()
    }

    /// Ends listening.
    public func stop() {
        path.cancel()
        pressure.cancel()
        observers.forEach(NotificationCenter.default.removeObserver)
        observers = []
    }

    private func listenToPath() {
        path.pathUpdateHandler = { [weak self] path in
            let (connected, expensive, constrained) = (path.status == .satisfied, path.isExpensive, path.isConstrained)
            let (wifi, cellular) = (path.usesInterfaceType(.wifi) || path.usesInterfaceType(.wiredEthernet), path.usesInterfaceType(.cellular))
            Task { @MainActor in
                guard let self else { return }
                let transport = wifi ? .wifi : cellular ? self.cellular : nil
                self.device.changed {
                    ($0.connected, $0.expensive, $0.constrained) = (connected, expensive, constrained)
                    $0.transport = transport
                }
            }
        }
        path.start(queue: DispatchQueue(label: "dev.unspool.path"))
        hear(.CTServiceRadioAccessTechnologyDidChange) { [weak self] device, _ in
            guard let self, let now = device.state.signals.transport, now != .wifi else { return }
            device.changed { $0.transport = self.cellular }
        }
    }

    private var cellular: Transport? {
        let service = radio.dataServiceIdentifier ?? ""
        return radio.serviceCurrentRadioAccessTechnology?[service].flatMap(Transport.init(radio:))
    }

    private func listenToPower() {
        let power: @MainActor (DeviceModel) -> Void = { device in
            let process = ProcessInfo.processInfo
            device.changed {
                $0.lowPower = process.isLowPowerModeEnabled
                $0.thermal = Signals.Thermal(rawValue: process.thermalState.rawValue) ?? .nominal
            }
        }
        hear(.NSProcessInfoPowerStateDidChange) { device, _ in power(device) }
        hear(ProcessInfo.thermalStateDidChangeNotification) { device, _ in power(device) }
        power(device)
        // Nothing tells of room that gets scarce; the moment somebody comes back is the cheapest to look.
        hear(UIApplication.willEnterForegroundNotification) { device, _ in Self.room(device) }
        Self.room(device)
    }

    private static func room(_ device: DeviceModel) {
        let values = try? StateDirectory.root.resourceValues(forKeys: [.volumeAvailableCapacityForImportantUsageKey])
        guard let free = values?.volumeAvailableCapacityForImportantUsage else { return }
        device.changed { $0.lowStorage = free < Signals.lowStorageBytes }
    }

    private func listenToAudio() {
        hear(AVAudioSession.interruptionNotification) { device, words in
            guard let raw = words[AVAudioSessionInterruptionTypeKey] as? UInt,
                let type = AVAudioSession.InterruptionType(rawValue: raw)
            else { return }
            switch type {
            case .began: device.audio(.interrupted)
            case .ended:
                let options = AVAudioSession.InterruptionOptions(rawValue: words[AVAudioSessionInterruptionOptionKey] as? UInt ?? 0)
                device.audio(.interruptionOver(resume: options.contains(.shouldResume)))
            @unknown default: break
            }
        }
        hear(AVAudioSession.routeChangeNotification) { device, words in
            let raw = words[AVAudioSessionRouteChangeReasonKey] as? UInt ?? 0
            if AVAudioSession.RouteChangeReason(rawValue: raw) == .oldDeviceUnavailable { device.audio(.outputGone) }
        }
        hear(AVAudioSession.silenceSecondaryAudioHintNotification) { device, words in
            let raw = words[AVAudioSessionSilenceSecondaryAudioHintTypeKey] as? UInt ?? 0
            device.audio(.othersSpeak(AVAudioSession.SilenceSecondaryAudioHintType(rawValue: raw) == .begin))
        }
    }

    private func listenToMemory() {
        pressure.setEventHandler { [weak self] in
            MainActor.assumeIsolated {
                guard let self else { return }
                let event = self.pressure.data
                self.device.memory(event.contains(.critical) ? .critical : event.contains(.warning) ? .warning : .normal)
            }
        }
        pressure.activate()
        hear(UIApplication.didReceiveMemoryWarningNotification) { device, _ in device.memory(.warning) }
    }

    /// Hears one notification, on the main actor, with its words.
    private func hear(_ name: Notification.Name, _ tell: @escaping @MainActor (DeviceModel, [String: any Sendable]) -> Void) {
        observers.append(NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { [weak self] note in
            // Of what comes along, numbers alone are looked at.
            let words = (note.userInfo ?? [:]).reduce(into: [String: any Sendable]()) { words, pair in
                if let key = pair.key as? String, let value = pair.value as? UInt { words[key] = value }
            }
            MainActor.assumeIsolated {
                if let self { tell(self.device, words) }
            }
        })
    }
}
