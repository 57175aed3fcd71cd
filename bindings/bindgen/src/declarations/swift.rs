//! Declarations of the generated Swift.

use std::collections::BTreeSet;

use super::braces::{Declaration, declarations, parameters, parts, without_comments};
use super::{Declarations, Entry, Source};

const MODIFIERS: [&str; 11] = [
    "public",
    "open",
    "private",
    "fileprivate",
    "internal",
    "static",
    "final",
    "convenience",
    "required",
    "override",
    "indirect",
];
const KEYWORDS: [&str; 11] =
    ["class", "struct", "enum", "protocol", "func", "init", "let", "var", "case", "typealias", "extension"];
/// What serves the crossing only: the names the pinned generator uses, at their start.
const PLUMBING: [&str; 4] = ["Uniffi", "uniffi", "FfiConverter", "NoHandle"];

pub(super) fn read(files: &[Source]) -> anyhow::Result<Declarations> {
    let mut out = Declarations::default();
    for file in files {
        out.head.push(format!("module {}", file.stem));
        let text = without_comments(&file.text);
        out.head.extend(
            text.lines().map(str::trim).filter(|line| line.starts_with("import ")).map(str::to_owned),
        );
        // Conditions of the compiler part nothing that is declared.
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        let text = lines.join("\n");
        let found = declarations(&text, &MODIFIERS, &KEYWORDS);
        let names: BTreeSet<&str> = found.iter().filter_map(named).collect();
        out.entries.extend(found.iter().filter(|d| open_to_apps(d)).filter_map(|d| entry(d, &names)));
    }
    out.head.dedup();
    Ok(out)
}

fn open_to_apps(declaration: &Declaration<'_>) -> bool {
    let shown = declaration.has("public") || declaration.has("open");
    shown && !named(declaration).is_some_and(|name| PLUMBING.iter().any(|p| name.starts_with(p)))
}

fn named<'a>(declaration: &'a Declaration<'_>) -> Option<&'a str> {
    ["class", "struct", "enum", "protocol", "func", "let", "var", "typealias"]
        .iter()
        .find_map(|keyword| declaration.name(keyword))
}

fn entry(declaration: &Declaration<'_>, names: &BTreeSet<&str>) -> Option<Entry> {
    let name = named(declaration)?.to_owned();
    // What a class promises is printed with the class; what stands for a foreign object is never made by an app.
    let of_class = name.strip_suffix("Protocol").is_some_and(|name| names.contains(name));
    let of_foreign = name.strip_suffix("Impl").is_some_and(|name| names.contains(name));
    if of_class || of_foreign {
        return None;
    }
    let mut lines = vec![short(&declaration.head)];
    let members = declarations(declaration.body, &MODIFIERS, &KEYWORDS);
    let stands_open = declaration.has("protocol");
    let mut calls = Vec::new();
    for member in &members {
        if member.has("case") {
            lines.push(format!("    {}", short(&member.head)));
        } else if !stands_open && !open_to_apps(member) {
            continue;
        } else if let Some((before, list, after)) =
            parameters(&member.head).filter(|_| words_end(&member.head) == "init")
        {
            if list.starts_with("unsafeFromHandle") || list.starts_with("noHandle") {
                continue;
            }
            if declaration.has("struct") {
                // One parameter a line: they are the fields, with their defaults.
                lines.push(format!("    {}", short(&format!("{before}(){after}"))));
                lines.extend(parts(list).iter().map(|part| format!("        {part}")));
            } else {
                lines.push(format!("    {}", short(&member.head)));
            }
        } else if member.has("func") {
            calls.push(format!("    {}", short(&member.head)));
        } else {
            lines.push(format!("    {}", short(&member.head)));
        }
    }
    calls.sort();
    lines.extend(calls);
    Some(Entry { name, lines })
}

/// The last word before the parameters.
fn words_end(head: &str) -> &str {
    head.split('(').next().and_then(|before| before.split_whitespace().next_back()).unwrap_or_default()
}

/// Without what says nothing: who may see it, as everything here is seen.
fn short(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "public").collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"
import Foundation
#if canImport(XFFI)
import XFFI
#endif
fileprivate extension RustBuffer { func skipped() {} }
fileprivate struct FfiConverterString: FfiConverter { static func lift() {} }
public protocol SessionProtocol: AnyObject, Sendable {
    /** Waits. */
    func waits(ms: UInt64) async throws  -> Bool
}
open class Session: SessionProtocol, @unchecked Sendable {
    fileprivate let handle: UInt64
#if swift(>=5.8)
    @_documentation(visibility: private)
#endif
    public struct NoHandle { public init() {} }
    required public init(unsafeFromHandle handle: UInt64) { self.handle = handle }
    public init(noHandle: NoHandle) { self.handle = 0 }
public convenience init(name: String) {
    self.init(unsafeFromHandle: 1)
}
    deinit { if handle == 0 { return } }
    public func uniffiCloneHandle() -> UInt64 { return 1 }
    /**
     * Waits.
     */
open func waits(ms: UInt64 = UInt64(5), cancel: Token? = nil)async throws  -> Bool  {
    return try await x { case .a: 1 }
}
public static func `open`(name: String)async throws  -> Session  { return x }
}
public protocol Host: AnyObject, Sendable {
    func page() async throws  -> [String]

}
open class HostImpl: Host, @unchecked Sendable { open func page()async throws  -> [String]  { } }
public struct Config: Equatable, Hashable {
    public let dir: String
    public let sizes: [String: UInt32]
    public init(
        /** Doc */dir: String, sizes: [String: UInt32] = [:]) {
        self.dir = dir
    }
}
#if compiler(>=6)
extension Config: Sendable {}
#endif
public enum Event: Equatable, Hashable {
    case first(n: UInt64, `class`: String
    )
    case second
}
public
enum Failed: Swift.Error, Foundation.LocalizedError {
    case Io(reason: String
    )
public var description: String { return "" }
    public var errorDescription: String? {
        String(reflecting: self)
    }
}
public func FfiConverterTypeConfig_lift(_ buf: RustBuffer) throws -> Config { }
public func uniffiForeignFutureHandleCountX() -> Int { 1 }
public func version() -> String  { return "" }
private let initializationResult: Int = { 1 }()
"#;

    #[test]
    fn what_apps_see_is_kept_and_nothing_else() {
        let source = Source { stem: "XBindings".into(), text: GENERATED.into() };
        let text = read(&[source]).unwrap().render(false);
        let wanted = "\
module XBindings
import Foundation
import XFFI

struct Config: Equatable, Hashable
    let dir: String
    let sizes: [String: UInt32]
    init()
        dir: String
        sizes: [String: UInt32] = [:]

enum Event: Equatable, Hashable
    case first(n: UInt64, class: String)
    case second

enum Failed: Swift.Error, Foundation.LocalizedError
    case Io(reason: String)
    var description: String
    var errorDescription: String?

protocol Host: AnyObject, Sendable
    func page() async throws -> [String]

open class Session: SessionProtocol, @unchecked Sendable
    convenience init(name: String)
    open func waits(ms: UInt64 = UInt64(5), cancel: Token? = nil) async throws -> Bool
    static func open(name: String) async throws -> Session

func version() -> String
";
        assert_eq!(text, wanted);
    }
}
