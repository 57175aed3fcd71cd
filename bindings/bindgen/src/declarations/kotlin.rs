//! Declarations of the generated Kotlin.

use std::collections::BTreeMap;

use anyhow::Context;

use super::braces::{Declaration, declarations, parameters, parts, without_comments};
use super::{Declarations, Entry, Source};

const MODIFIERS: [&str; 13] = [
    "public",
    "open",
    "data",
    "sealed",
    "enum",
    "abstract",
    "override",
    "suspend",
    "internal",
    "private",
    "protected",
    "inline",
    "const",
];
const KEYWORDS: [&str; 9] =
    ["class", "interface", "object", "companion", "fun", "val", "var", "constructor", "typealias"];

/// What serves the crossing only: the names the pinned generator uses, at their start.
const PLUMBING: [&str; 7] =
    ["Uniffi", "uniffi", "FfiConverter", "RustBuffer", "ForeignBytes", "Disposable", "NoHandle"];

pub(super) fn read(files: &[Source]) -> anyhow::Result<Declarations> {
    let mut out = Declarations::default();
    for file in files {
        let text = without_comments(&file.text);
        let package = text.lines().find_map(|line| line.trim().strip_prefix("package "));
        out.head.push(format!("package {}", package.context("the Kotlin file names no package")?.trim()));
        // The name of the library is the answer of the function that the loader asks.
        let library =
            text.split_once("fun findLibraryName(").and_then(|(_, rest)| rest.split_once("return \""));
        let library = library.map(|(_, rest)| rest).and_then(|rest| rest.split_once('"'));
        out.head.push(format!("library {}", library.context("the Kotlin file names no library")?.0));
        let found: Vec<Declaration<'_>> =
            declarations(&text, &MODIFIERS, &KEYWORDS).into_iter().filter(open_to_apps).collect();
        let interfaces: BTreeMap<&str, &Declaration<'_>> =
            found.iter().filter_map(|d| Some((d.name("interface")?, d))).collect();
        out.entries.extend(found.iter().filter_map(|d| entry(d, &interfaces)));
    }
    Ok(out)
}

fn open_to_apps(declaration: &Declaration<'_>) -> bool {
    let hidden = ["internal", "private", "protected"].iter().any(|word| declaration.has(word));
    !hidden && !named(declaration).is_some_and(|name| PLUMBING.iter().any(|p| name.starts_with(p)))
}

fn named<'a>(declaration: &'a Declaration<'_>) -> Option<&'a str> {
    ["class", "interface", "object", "fun", "val", "var", "typealias"]
        .iter()
        .find_map(|keyword| declaration.name(keyword))
}

fn entry(declaration: &Declaration<'_>, interfaces: &BTreeMap<&str, &Declaration<'_>>) -> Option<Entry> {
    let name = named(declaration)?.to_owned();
    // What a class promises is printed with the class; what stands for a foreign object is never made by an app.
    let of_class = name.strip_suffix("Interface").is_some();
    let of_foreign = name.strip_suffix("Impl").is_some_and(|name| interfaces.contains_key(name));
    if of_class || of_foreign {
        return None;
    }
    let mut lines = match parameters(&declaration.head) {
        // One field a line, so that a new one is one line of a difference.
        Some((before, fields, after)) if declaration.has("data") => {
            let mut lines = vec![short(&format!("{before}{after}"))];
            lines.extend(parts(fields).iter().map(|field| format!("    {}", short(field))));
            lines
        }
        _ => vec![signature(declaration)],
    };
    let promised = interfaces.get(format!("{name}Interface").as_str());
    if declaration.has("enum") {
        let cases = declaration.body.split(';').next().unwrap_or_default();
        lines.extend(parts(cases).iter().map(|case| format!("    {case}")));
    } else {
        lines.extend(members(declaration, promised.copied(), ""));
    }
    Some(Entry { name, lines })
}

/// The members of a type, by name, and those of its companion.
fn members(of: &Declaration<'_>, promised: Option<&Declaration<'_>>, prefix: &str) -> Vec<String> {
    let own = declarations(of.body, &MODIFIERS, &KEYWORDS);
    let mut found: Vec<(String, String)> = Vec::new();
    if let Some(promised) = promised {
        // Defaults stand in the interface and what is thrown at the class.
        for mut call in declarations(promised.body, &MODIFIERS, &KEYWORDS).into_iter().filter(open_to_apps) {
            let same = own.iter().find(|d| d.has("override") && d.name("fun") == call.name("fun"));
            call.marks = same.map(|d| d.marks.clone()).unwrap_or_default();
            found.extend(named(&call).map(|name| (name.to_owned(), signature(&call))));
        }
    }
    let mut companions = Vec::new();
    for member in own.iter().filter(|d| open_to_apps(d)) {
        if member.has("companion") {
            companions.extend(members(member, None, "companion "));
        } else if let Some((before, list, _)) = parameters(&member.head).filter(|_| member.has("constructor"))
        {
            if !list.starts_with("withHandle") && !list.starts_with("noHandle") {
                found.push((String::new(), short(&format!("{before}({list})"))));
            }
        } else if !member.has("override")
            && let Some(name) = named(member)
        {
            found.push((name.to_owned(), signature(member)));
        }
    }
    if of.has("interface") || promised.is_some() || !prefix.is_empty() {
        // Functions by name; cases of a sealed class stay in their order, which is that of the source in Rust.
        found.sort();
    }
    let mut lines: Vec<String> = found.into_iter().map(|(_, line)| format!("    {prefix}{line}")).collect();
    lines.extend(companions);
    lines
}

fn signature(declaration: &Declaration<'_>) -> String {
    let throws = declaration.marks.iter().find(|mark| mark.starts_with("@Throws"));
    short(&format!("{} {}", throws.unwrap_or(&""), declaration.head))
}

/// Without what says nothing: the package of the standard types, `public`, `override`.
fn short(text: &str) -> String {
    let text = text.replace("kotlin.", "");
    let words: Vec<&str> = text.split_whitespace().filter(|w| !["public", "override"].contains(w)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"
@file:Suppress("NAME_SHADOWING")
package dev.x

import com.sun.jna.Library // a word
open class RustBuffer : Structure() { fun skipped() {} }
private fun findLibraryName(componentName: String): String {
    return "x_ffi"
}
internal class Hidden { fun skipped() {} }
public object FfiConverterString: FfiConverter<String, Long> { override fun lift(value: Long): String = "" }
/** A session. */
public interface SessionInterface {
    /** Waits, "quoted" and it's fine. */
    suspend fun `waits`(`for`: List<kotlin.String>, `ms`: kotlin.ULong = 5uL): kotlin.Boolean
    fun `at`()
    companion object
}
open class Session: Disposable, AutoCloseable, SessionInterface
{
    constructor(withHandle: UniffiWithHandle, handle: Long) { this.handle = handle }
    constructor(noHandle: NoHandle) { this.handle = 0 }
    constructor(`name`: kotlin.String) : this(UniffiWithHandle, 1)
    protected val handle: Long
    override fun close() { this.destroy() }
    val uniffiIsDestroyed: Boolean get() = wasDestroyed.get()
    override fun `at`()
        =
    callWithHandle { uniffiRustCall() { fun no() {} } }
    @Throws(Failed::class)
    @Suppress("ASSIGNED")
    override suspend fun `waits`(`for`: List<kotlin.String>, `ms`: kotlin.ULong) : kotlin.Boolean {
        return true
    }
    companion object {
    /** Opens. */
    @Throws(Failed::class) suspend fun `open`(`name`: kotlin.String? = null): Session { return x }
    }
}
public interface Host { suspend fun `page`(): kotlin.String
    companion object }
open class HostImpl: Disposable, AutoCloseable, Host { override suspend fun `page`(): kotlin.String { } }
data class Config (
    /** Doc. */
    val `dir`: kotlin.String
    ,
    val `sizes`: Map<kotlin.String, kotlin.UInt> = mapOf()
){
    companion object
}
sealed class Event {
    data class Second(
        val `n`: kotlin.ULong) : Event()
    {
        companion object
    }
    object First : Event()
    companion object
}
enum class Stage {
    NONE,
    READY;
    companion object
}
sealed class Failed: kotlin.Exception() {
    class Io(
        val `reason`: kotlin.String
        ) : Failed() {
        override val message
            get() = "reason=${ `reason` }"
    }
    override fun toString(): String { return "" }
    companion object ErrorHandler : UniffiRustCallStatusErrorHandler<Failed> {
        override fun lift(error_buf: RustBuffer.ByValue): Failed = x
    }
}
/** Says. */ fun `version`(): kotlin.String { return "" }
"#;

    #[test]
    fn what_apps_see_is_kept_and_nothing_else() {
        let source = Source { stem: "x".into(), text: GENERATED.into() };
        let text = read(&[source]).unwrap().render(false);
        let wanted = "\
package dev.x
library x_ffi

data class Config
    val dir: String
    val sizes: Map<String, UInt> = mapOf()

sealed class Event
    data class Second(val n: ULong): Event()
    object First: Event()

sealed class Failed: Exception()
    class Io(val reason: String): Failed()

interface Host
    suspend fun page(): String

open class Session: Disposable, AutoCloseable, SessionInterface
    constructor(name: String)
    fun at()
    @Throws(Failed::class) suspend fun waits(for: List<String>, ms: ULong = 5uL): Boolean
    companion @Throws(Failed::class) suspend fun open(name: String? = null): Session

enum class Stage
    NONE
    READY

fun version(): String
";
        assert_eq!(text, wanted);
    }
}
