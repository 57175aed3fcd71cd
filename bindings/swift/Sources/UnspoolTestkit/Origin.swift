import Foundation
import UnspoolCore

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// The reference server, in a process of its own, and the calls that control it.
public final class Origin: Sendable {
    public let url: String
    private let control: String
    private let process: Process

    /// Starts a server that keeps its logs below `directory`. Returns when it listens.
    public init(in directory: URL) throws {
        guard let program = ProcessInfo.processInfo.environment["UNSPOOL_ORIGIN_PROGRAM"] else {
            throw Unexpected(what: "UNSPOOL_ORIGIN_PROGRAM names the server")
        }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = [
            "--state", directory.appendingPathComponent("origin").path, "--clips", "6",
            "--parent-pid", "\(ProcessInfo.processInfo.processIdentifier)",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        self.process = process
        var line = Data()
        while !line.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            if more.isEmpty { throw Unexpected(what: "the server ended before it listened") }
            line += more
        }
        struct Ready: Decodable {
            let listening, control: String
        }
        let ready = try JSONDecoder().decode(Ready.self, from: line)
        (url, control) = (ready.listening, ready.control)
    }

    deinit {
        // Not terminate(): a child inherits the signals that dispatch's threads block, SIGTERM among them.
        kill(process.processIdentifier, SIGKILL)
    }

    /// Shapes the network, for example `{"down":true}`; `{}` is a perfect one.
    public func network(_ settings: String) async throws { try await send("PUT", "/control/network", settings) }

    /// Scripts a fault.
    public func fault(_ fault: String) async throws { try await send("POST", "/control/faults", fault) }

    /// Takes back the faults that have met nobody yet.
    public func clearFaults() async throws { try await send("DELETE", "/control/faults", "") }

    /// Says what a moderator says of an item; its labels are these from now on.
    public func label(_ item: String, _ labels: String...) async throws {
        let names = labels.map { "\"\($0)\"" }.joined(separator: ",")
        try await send("POST", "/control/labels", #"{"id":"\#(item)","labels":[\#(names)]}"#)
    }

    /// Hands out these signed safety rules.
    public func putRules(_ signed: String) async throws { try await send("PUT", "/control/rules", signed) }

    /// The first items of the non-profiled feed, in the server's order.
    public func offered(_ count: Int) async throws -> [String] {
        struct Page: Decodable { let items: [Item] }
        struct Item: Decodable { let id: String }
        let path = "/v1/feed?feed=non_profiled&limit=\(count)"
        return try await get(url + path, token: "ada", as: Page.self).items.map(\.id)
    }

    /// Refuses a bearer token from now on.
    public func revoke(_ token: String) async throws { try await send("POST", "/control/tokens", #"{"revoke":"\#(token)"}"#) }

    /// How many requests are being answered.
    public func inFlight() async throws -> Int { try await stats().in_flight }

    /// How many different operations arrived.
    public func operations() async throws -> UInt64 { try await stats().interactions }

    /// What a person wants, as the server knows it.
    public func wishes(of actor: String) async throws -> [Wish] {
        struct List: Decodable { let interactions: [Wish] }
        return try await get(control + "/control/interactions?actor=\(actor)", as: List.self).interactions
    }

    /// The telemetry records of an installation, each once.
    public func records(of installation: String) async throws -> [Record] {
        struct List: Decodable { let events: [Record] }
        return try await get(control + "/control/events?installation=\(installation)", as: List.self).events
    }

    /// The comments of a person that stand.
    public func comments(of actor: String) async throws -> [Written] {
        struct List: Decodable { let comments: [Written] }
        return try await get(control + "/control/comments?actor=\(actor)", as: List.self).comments
    }

    /// What a person paid.
    public func payments(of actor: String) async throws -> [Paid] {
        struct List: Decodable { let payments: [Paid] }
        return try await get(control + "/control/payments?actor=\(actor)", as: List.self).payments
    }

    /// The reports of ada, as she is told of them.
    public func reports() async throws -> [Reported] {
        struct List: Decodable { let reports: [Reported] }
        return try await get(url + "/v1/reports", token: "ada", as: List.self).reports
    }

    /// A moderator decides about a report.
    public func decide(_ actor: String, _ target: String, _ outcome: String) async throws {
        let body = #"{"actor":"\#(actor)","target":"\#(target)","outcome":"\#(outcome)"}"#
        try await send("POST", "/control/reports", body)
    }

    public struct Reported: Decodable, Sendable {
        public let target: String
        public let words: String?
    }

    public struct Written: Decodable, Sendable {
        public let id, text: String
    }

    public struct Paid: Decodable, Sendable {
        public let op_id: String
        public let moved, arrivals: Int
    }

    public struct Wish: Decodable, Sendable {
        public let verb, target: String
        public let state: Bool
    }

    public struct Record: Decodable, Sendable {
        public let seq: Int
    }

    private struct Stats: Decodable {
        let in_flight: Int
        let interactions: UInt64
    }

    private func stats() async throws -> Stats { try await get(control + "/control/stats", as: Stats.self) }

    private func send(_ method: String, _ path: String, _ body: String) async throws {
        var request = URLRequest(url: try address(control + path))
        request.httpMethod = method
        request.httpBody = Data(body.utf8)
        request.setValue("application/json", forHTTPHeaderField: "content-type")
        _ = try await answer(to: request)
    }
}

/// Asks a server for JSON, with a body where one is given.
public func get<Value: Decodable>(
    _ url: String, token: String? = nil, body: Data? = nil, as type: Value.Type
) async throws -> Value {
    var request = URLRequest(url: try address(url))
    if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "authorization") }
    if let body {
        request.httpMethod = "POST"
        request.httpBody = body
        request.setValue("application/json", forHTTPHeaderField: "content-type")
    }
    return try JSONDecoder().decode(type, from: try await answer(to: request))
}

private func address(_ text: String) throws -> URL {
    guard let url = URL(string: text) else { throw Unexpected(what: "no address: \(text)") }
    return url
}

private let http = URLSession(configuration: .ephemeral)

private func answer(to request: URLRequest) async throws -> Data {
    let (data, response) = try await http.data(for: request)
    guard let response = response as? HTTPURLResponse, response.statusCode == 200 else {
        throw Unexpected(what: "\(request.url?.path ?? ""): \(String(decoding: data, as: UTF8.self))")
    }
    return data
}

/// Fetches an address whole; gives the number of its bytes.
public func download(_ url: String) async throws -> Int { try await answer(to: URLRequest(url: address(url))).count }
