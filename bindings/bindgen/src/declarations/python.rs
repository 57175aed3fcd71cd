//! Declarations of the generated Python, in the form of a type stub.

use std::collections::BTreeSet;

use anyhow::Context;

use super::braces::parts;
use super::{Declarations, Entry, Source};

/// A class or a function, with the lines inside of it.
#[derive(Debug)]
struct Block<'a> {
    head: &'a str,
    body: Vec<&'a str>,
}

impl<'a> Block<'a> {
    fn name(&self) -> &'a str {
        let head = self.head.trim_start_matches("async ");
        let name = head.strip_prefix("class ").or_else(|| head.strip_prefix("def ")).unwrap_or_default();
        name.split(['(', ':']).next().unwrap_or_default()
    }

    fn is_class(&self) -> bool {
        self.head.starts_with("class ")
    }

    fn bases(&self) -> &'a str {
        self.head.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(bases, _)| bases)
    }
}

pub(super) fn read(files: &[Source]) -> anyhow::Result<Declarations> {
    let mut out = Declarations::default();
    for file in files {
        let lines = without_docs(&file.text);
        let library = lines.iter().find_map(|l| l.trim().strip_prefix("libname = libname.format(\""));
        let library = library.and_then(|rest| rest.split('"').next());
        out.head.push(format!("# library {}", library.context("the Python file names no library")?));
        out.head.extend(["import datetime".into(), "import enum".into(), "import typing".into()]);
        if lines.contains(&"Duration = datetime.timedelta") {
            out.head.extend([String::new(), "Duration = datetime.timedelta".into()]);
        }
        let public: BTreeSet<&str> = lines
            .iter()
            .skip_while(|line| **line != "__all__ = [")
            .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","))
            .collect();
        let blocks = blocks(&lines);
        for name in &public {
            // What a class promises is printed with the class; what stands for a foreign object is never made by an app.
            let of_class = name.strip_suffix("Protocol").is_some_and(|name| public.contains(name));
            let of_foreign = name.strip_suffix("Impl").is_some_and(|name| public.contains(name));
            if of_class || of_foreign {
                continue;
            }
            // An error is declared twice: as the exception, then as the bearer of its cases.
            let same: Vec<&Block<'_>> = blocks.iter().filter(|block| block.name() == *name).collect();
            let lines = match same.as_slice() {
                [block] if block.is_class() => class(block, block.bases()),
                [exception, cases] => class(cases, exception.bases()),
                [block] => vec![function(block)],
                _ => anyhow::bail!("the Python file has {} declarations of {name}", same.len()),
            };
            out.entries.push(Entry { name: (*name).to_owned(), lines });
        }
    }
    Ok(out)
}

/// Lines of code, without those of documentation.
fn without_docs(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut kept = Vec::new();
    for line in text.lines() {
        let quotes = line.matches("\"\"\"").count();
        if !inside && quotes == 0 {
            kept.push(line);
        }
        inside ^= quotes % 2 == 1;
    }
    kept
}

/// The classes and functions of one level of indentation.
fn blocks<'a>(lines: &[&'a str]) -> Vec<Block<'a>> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let level =
        lines.iter().filter(|line| !line.trim().is_empty()).map(|line| indent(line)).min().unwrap_or(0);
    let mut found: Vec<Block<'a>> = Vec::new();
    let mut open = false;
    for &line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let code = line.trim();
        if indent(line) > level {
            if let Some(block) = found.last_mut().filter(|_| open) {
                block.body.push(line);
            }
        } else {
            open = ["class ", "def ", "async def "].iter().any(|word| code.starts_with(word));
            if open {
                found.push(Block { head: code, body: Vec::new() });
            }
        }
    }
    found
}

/// The lines of a class.
fn class(block: &Block<'_>, bases: &str) -> Vec<String> {
    let bases = bases.split(',').map(str::trim).filter(|b| !b.is_empty() && !b.ends_with("Protocol"));
    let bases = bases.collect::<Vec<_>>().join(", ");
    let members = blocks(&block.body);
    let mut lines = Vec::new();
    if bases == "enum.Enum" {
        lines
            .extend(block.body.iter().map(|line| line.trim().to_owned()).filter(|line| line.contains(" = ")));
    }
    // A case is a class inside of the class it is a kind of; the generator sees to that after the fact.
    lines.extend(members.iter().filter(|m| m.is_class()).flat_map(|member| class(member, block.name())));
    let mut calls: Vec<&Block<'_>> = members.iter().filter(|m| !m.is_class() && shown(m)).collect();
    calls.sort_by_key(|call| (call.name() != "__init__", call.name()));
    for call in calls {
        if call.name() == "__init__" {
            // A class that only its own calls or its cases make has no constructor of its own.
            if call.head.contains("**kwargs")
                || call.body.iter().any(|line| line.trim().starts_with("raise "))
            {
                continue;
            }
            lines.extend(fields(call));
        }
        lines.extend(marks(block, call));
        lines.push(function(call));
    }
    if lines.is_empty() {
        lines.push("...".into());
    }
    let bases = if bases.is_empty() { bases } else { format!("({bases})") };
    let head = format!("class {}{bases}:", block.name());
    std::iter::once(head).chain(lines.into_iter().map(|line| format!("    {line}"))).collect()
}

fn shown(call: &Block<'_>) -> bool {
    let name = call.name();
    // `is_CASE` says the same as `is_case`.
    let shouting = name.strip_prefix("is_").is_some_and(|rest| rest.chars().all(|c| !c.is_lowercase()));
    !shouting && (!name.starts_with('_') || name == "__init__")
}

/// The decorators that change what a call is.
fn marks(block: &Block<'_>, call: &Block<'_>) -> Option<String> {
    let at = block.body.iter().position(|line| line.trim() == call.head)?;
    let before = block.body.get(at.checked_sub(1)?)?.trim();
    matches!(before, "@classmethod" | "@staticmethod").then(|| before.to_owned())
}

/// The fields a constructor fills with its parameters.
fn fields(call: &Block<'_>) -> Vec<String> {
    let filled = |name: &str| call.body.iter().any(|line| line.trim().starts_with(&format!("self.{name} =")));
    let declared = |part: String| {
        let field = part.split(" = ").next()?;
        field.split_once(':').filter(|(name, _)| filled(name)).map(|_| field.to_owned())
    };
    parameters(call).0.into_iter().filter_map(declared).collect()
}

fn function(call: &Block<'_>) -> String {
    let asynchronous = if call.head.starts_with("async ") { "async " } else { "" };
    let (list, result) = parameters(call);
    format!("{asynchronous}def {}({}) -> {result}: ...", call.name(), list.join(", "))
}

/// Parameters and the type of the result, in plain words.
fn parameters(call: &Block<'_>) -> (Vec<String>, String) {
    let from = call.head.find('(').map_or(0, |at| at + 1);
    let to = call.head.rfind(')').unwrap_or(from);
    let result = call.head[to..].split_once("->").map_or("None", |(_, r)| r.trim().trim_end_matches(':'));
    let one = |part: String| match part.split_once(':') {
        // The generator gives the fields of errors no type.
        None if ["self", "cls", "*"].contains(&part.as_str()) || part.starts_with('*') => part,
        None => format!("{part}: typing.Any"),
        Some((name, rest)) => {
            let (kind, default) = match rest.split_once(" = ") {
                Some((kind, "_DEFAULT")) => (kind, Some(late_default(call, name))),
                Some((kind, default)) => (kind, Some(default.to_owned())),
                None => (rest, None),
            };
            let kind = plain(kind.trim());
            match default {
                Some(default) => format!("{name}: {kind} = {default}"),
                None => format!("{name}: {kind}"),
            }
        }
    };
    (parts(&call.head[from..to]).into_iter().map(one).collect(), plain(result))
}

/// The default that the body puts in place of the mark for "not given".
fn late_default(call: &Block<'_>, name: &str) -> String {
    let asked = format!("if {name} is _DEFAULT:");
    let at = call.body.iter().position(|line| line.trim() == asked);
    let line = at.and_then(|at| call.body.get(at + 1)).and_then(|line| line.split_once(" = "));
    line.map_or("...", |(_, value)| value.trim()).to_owned()
}

/// A type in today's words: `X | None` for `typing.Optional[X]`, `list[X]` for `typing.List[X]`.
fn plain(kind: &str) -> String {
    let inside = |prefix: &str| kind.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inside("typing.Union[object, ") {
        // What a parameter with a late default is declared as, for the mark is an object.
        plain(inner)
    } else if let Some(inner) = inside("typing.Optional[") {
        format!("{} | None", plain(inner))
    } else if let Some(inner) = inside("typing.List[") {
        format!("list[{}]", plain(inner))
    } else if let Some(inner) = inside("dict[") {
        let parts: Vec<String> = parts(inner).iter().map(|part| plain(part)).collect();
        format!("dict[{}]", parts.join(", "))
    } else {
        kind.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = r#"
class _UniffiLib:
    def skipped(self): pass
class InternalError(Exception):
    pass
    libname = libname.format("x_ffi")
@dataclass
class Config:
    """
    Doc with def inside(self):
"""
    def __init__(self, *, dir:str, size:int = 5, sizes:typing.Union[object, typing.List[str]] = _DEFAULT, on:typing.Optional[Duration] = _DEFAULT):
        self.dir = dir
        self.size = size
        if sizes is _DEFAULT:
            self.sizes = []
        else:
            self.sizes = sizes
        if on is _DEFAULT:
            self.on = None

    def __str__(self):
        return "Config"
Duration = datetime.timedelta
class Stage(enum.Enum):
    """
    Stage.
"""
    NONE = 0

    READY = 1

class Event:
    def __init__(self):
        raise RuntimeError("Event cannot be instantiated directly")

    # Each enum variant is a nested class of the enum itself.
    @dataclass
    class FIRST:
        def __init__(self, n:int, _class:Stage):
            self.n = n

            self._class = _class
            pass
        def __eq__(self, other):
            return True
    @dataclass
    class SECOND:
        def __init__(self, ):
            pass
    def is_FIRST(self) -> bool:
        return isinstance(self, Event.FIRST)
    def is_first(self) -> bool:
        return isinstance(self, Event.FIRST)
Event.FIRST = type("Event.FIRST", (Event.FIRST, Event,), {})  # type: ignore
class Failed(Exception):
    """
    Error.
"""
    pass
_UniffiTempFailed = Failed
class Failed:  # type: ignore
    class Io(_UniffiTempFailed):
        def __init__(self, reason):
            self.reason = reason
        def __repr__(self):
            return ""
    _UniffiTempFailed.Io = Io # type: ignore
Failed = _UniffiTempFailed # type: ignore
class SessionProtocol(typing.Protocol):
    async def waits(self, ms: int = 5) -> bool:
        raise NotImplementedError
class Session(SessionProtocol):
    _handle: ctypes.c_uint64
    @classmethod
    async def open(cls, name: str) -> Session:
        """
        Opens.
"""
        return x
    def __init__(self, *args, **kwargs):
        raise ValueError("This class has no default constructor")
    def __del__(self):
        pass
    def _uniffi_clone_handle(self):
        pass
    async def waits(self, ms: int = 5,cancel: typing.Union[object, typing.Optional[Token]] = _DEFAULT) -> bool:
        if cancel is _DEFAULT:
            cancel = None
        return True
class Host():
    async def page(self, sizes: dict[str, typing.List[int]]) -> typing.List[str]:
        raise NotImplementedError
class HostImpl(Host):
    async def page(self) -> str:
        return ""
def version() -> str:
    return ""
__all__ = [
    "InternalError",
    "Stage",
    "Event",
    "Failed",
    "Config",
    "version",
    "Session",
    "SessionProtocol",
    "HostImpl",
    "Host",
]
"#;

    #[test]
    fn what_apps_see_is_kept_and_nothing_else() {
        let source = Source { stem: "x".into(), text: GENERATED.into() };
        let text = read(&[source]).unwrap().render(false);
        let wanted = "\
# library x_ffi
import datetime
import enum
import typing

Duration = datetime.timedelta

class Config:
    dir: str
    size: int
    sizes: list[str]
    on: Duration | None
    def __init__(self, *, dir: str, size: int = 5, sizes: list[str] = [], on: Duration | None = None) -> None: ...

class Event:
    class FIRST(Event):
        n: int
        _class: Stage
        def __init__(self, n: int, _class: Stage) -> None: ...
    class SECOND(Event):
        def __init__(self) -> None: ...
    def is_first(self) -> bool: ...

class Failed(Exception):
    class Io(Failed):
        reason: typing.Any
        def __init__(self, reason: typing.Any) -> None: ...

class Host:
    async def page(self, sizes: dict[str, list[int]]) -> list[str]: ...

class InternalError(Exception):
    ...

class Session:
    @classmethod
    async def open(cls, name: str) -> Session: ...
    async def waits(self, ms: int = 5, cancel: Token | None = None) -> bool: ...

class Stage(enum.Enum):
    NONE = 0
    READY = 1

def version() -> str: ...
";
        assert_eq!(text, wanted);
    }
}
