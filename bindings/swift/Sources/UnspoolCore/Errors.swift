import Foundation

// Generated errors have the text that says what to do, without the conformances by which Swift prints it.

extension UnspoolError: CustomStringConvertible {}

extension HostError: CustomStringConvertible {}
