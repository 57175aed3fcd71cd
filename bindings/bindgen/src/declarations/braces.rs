//! Declarations in source whose blocks are braces: Kotlin and Swift.

/// A declaration: annotations, everything up to its body, and the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declaration<'a> {
    pub(super) marks: Vec<&'a str>,
    /// On one line, in the spacing of [`tidy`].
    pub(super) head: String,
    pub(super) body: &'a str,
}

impl Declaration<'_> {
    /// Whether one of its words before the parameters is `word`.
    pub(super) fn has(&self, word: &str) -> bool {
        words(&self.head).any(|w| w == word)
    }

    /// The word after `keyword`.
    pub(super) fn name(&self, keyword: &str) -> Option<&str> {
        words(&self.head).skip_while(|&w| w != keyword).nth(1)
    }
}

/// Identifiers at the start of `text`, up to the first other character.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find(['(', ':', '=', '{', '<']).unwrap_or(text.len());
    text[..end].split_whitespace()
}

/// Source without comments. A comment leaves a line break, for what stands behind one begins a line.
pub(super) fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            out.push('\n');
            comment(rest)
        } else {
            let length = literal(rest).unwrap_or(c.len_utf8());
            out.push_str(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    out
}

/// Length of the block comment at the start of `text`; they nest.
fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_u32);
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
    }
}

/// Length of the string or character literal at the start of `text`.
fn literal(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("\"\"\"") {
        return Some(inside.find("\"\"\"").map_or(text.len(), |end| end + 6));
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            // An apostrophe that closes nothing is no literal.
            '\n' => return None,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Length of the group in brackets, braces or parentheses at the start of `text`, both ends included.
fn group(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_u32);
    while let Some(c) = text[at..].chars().next() {
        at += literal(&text[at..]).unwrap_or(c.len_utf8());
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// The declarations in `text`, not those inside other blocks. A declaration begins a line, is led by any number of
/// `modifiers` and has one of `keywords`.
pub(super) fn declarations<'a>(text: &'a str, modifiers: &[&str], keywords: &[&str]) -> Vec<Declaration<'a>> {
    let begins = |rest: &str| {
        words(rest).find(|word| !modifiers.contains(word)).is_some_and(|w| keywords.contains(&w))
    };
    let mut found = Vec::new();
    let mut marks = Vec::new();
    let (mut at, mut fresh) = (0, true);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_whitespace() {
            fresh |= c == '\n';
            at += c.len_utf8();
        } else if fresh && c == '@' {
            let name = rest[1..].find(|c: char| !c.is_alphanumeric() && !"_.:".contains(c));
            let mut end = name.map_or(rest.len(), |end| end + 1);
            if rest[end..].starts_with('(') {
                end += group(&rest[end..]);
            }
            marks.push(&rest[..end]);
            at += end;
        } else if fresh && begins(rest) {
            let (head, body) = extent(rest);
            let marks = std::mem::take(&mut marks);
            found.push(Declaration {
                marks,
                head: tidy(&rest[..head]),
                body: inside(&rest[head..head + body]),
            });
            at += head + body;
        } else {
            marks.clear();
            fresh = matches!(c, '{' | ';');
            at += if "([{".contains(c) { group(rest) } else { literal(rest).unwrap_or(c.len_utf8()) };
        }
    }
    found
}

/// Lengths of the head of the declaration at the start of `text`, and of its body, 0 without one.
fn extent(text: &str) -> (usize, usize) {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        match c {
            '{' => return (at, group(rest)),
            '=' | ';' | '}' => break,
            // A body or a supertype may stand on a line of its own, and Swift's may be parted from its modifiers.
            '\n' if !rest.trim_start().starts_with(['{', ':']) && words(&text[..at]).count() > 1 => break,
            '(' | '[' => at += group(rest),
            _ => at += literal(rest).unwrap_or(c.len_utf8()),
        }
    }
    (at, 0)
}

fn inside(body: &str) -> &str {
    body.strip_prefix('{').and_then(|body| body.strip_suffix('}')).unwrap_or_default()
}

/// The text of the parentheses in a head, and what stands before and behind them.
pub(super) fn parameters(head: &str) -> Option<(&str, &str, &str)> {
    let from = head.find('(')?;
    let to = from + group(&head[from..]);
    Some((&head[..from], &head[from + 1..to - 1], &head[to..]))
}

/// The parts of a list, at commas outside of brackets.
pub(super) fn parts(list: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_i32;
    for c in list.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if c != ',' || depth != 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// One line, single spaces, none inside of parentheses, and no backticks around names.
pub(super) fn tidy(text: &str) -> String {
    let joined = text.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = String::with_capacity(joined.len());
    for c in joined.chars() {
        if matches!(c, ')' | ',' | ':') && out.ends_with(' ') {
            out.pop();
        }
        // `)async` and the like: the generator leaves the space out.
        if c.is_alphabetic() && out.ends_with(')') {
            out.push(' ');
        }
        if !(c == ' ' && out.ends_with('(')) {
            out.push(c);
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIERS: [&str; 2] = ["public", "suspend"];
    const KEYWORDS: [&str; 2] = ["class", "fun"];

    #[test]
    fn comments_go_and_strings_stay() {
        let text = "a /* b /* c */ \" */d // e\nf(\"// g\", '\"', \"\"\"/* h */\"\"\")";
        assert_eq!(without_comments(text), "a \nd \nf(\"// g\", '\"', \"\"\"/* h */\"\"\")");
        assert_eq!(without_comments("/* it's */ x"), "\n x");
    }

    #[test]
    fn declarations_are_found_with_their_marks_and_bodies() {
        let text = "@A(x = \"(\") class One\n{\n  fun inner() {}\n}\nval x = fun() {}\n\
                    @B\npublic suspend fun two(a: Int = 3,\n b: String )\n  = call { fun hidden() }\n fun three()\n";
        let found = declarations(text, &MODIFIERS, &KEYWORDS);
        let heads: Vec<&str> = found.iter().map(|d| d.head.as_str()).collect();
        assert_eq!(heads, ["class One", "public suspend fun two(a: Int = 3, b: String)", "fun three()"]);
        assert_eq!(found[0].marks, ["@A(x = \"(\")"]);
        assert_eq!(found[0].body.trim(), "fun inner() {}");
        assert_eq!(found[0].name("class"), Some("One"));
        assert!(found[1].has("suspend") && !found[2].has("suspend"));
        assert_eq!(found[1].marks, ["@B"]);
    }

    #[test]
    fn a_modifier_may_stand_on_a_line_of_its_own() {
        let found = declarations("public \nclass One: Two {\n}\n", &MODIFIERS, &KEYWORDS);
        assert_eq!(found[0].head, "public class One: Two");
    }

    #[test]
    fn lists_are_parted_outside_of_brackets() {
        assert_eq!(parts("a: Map<B, C>, d: (E, F) = [1, 2],"), ["a: Map<B, C>", "d: (E, F) = [1, 2]"]);
        assert_eq!(parameters("fun a(b: (C) -> D): E"), Some(("fun a", "b: (C) -> D", ": E")));
        assert_eq!(tidy("open func `a`( b : C )async throws  -> D"), "open func a(b: C) async throws -> D");
    }
}
