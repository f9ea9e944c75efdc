//! Reads Rust source as far as this check needs it: modules, and the paths that code uses.

/// The words and punctuation of source text, without comments, literals and the code that only tests compile.
pub(crate) fn tokens(source: &str) -> Vec<String> {
    without_tests(&lex(source))
}

/// The modules that are declared in files of their own.
pub(crate) fn declared_modules(tokens: &[String]) -> Vec<String> {
    let is_declaration = |three: &&[String]| three[0] == "mod" && three[2] == ";";
    tokens.windows(3).filter(is_declaration).map(|three| three[1].clone()).collect()
}

/// A path in the code.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    /// The name that a `use` gives it.
    pub(crate) name: Option<String>,
}

/// The paths of `use` items, and those that begin with `crate`, `super` or `self` anywhere else.
pub(crate) fn paths(tokens: &[String]) -> Vec<Path> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_use = tokens[at] == "use";
        let is_path = matches!(tokens[at].as_str(), "crate" | "super" | "self")
            && tokens.get(at + 1).is_some_and(|next| next == "::");
        if is_use {
            at = read_tree(tokens, at + 1, &[], true, &mut paths);
        } else if is_path {
            at = read_tree(tokens, at, &[], false, &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads a path, or a tree of them, and returns the place behind it.
fn read_tree(
    tokens: &[String],
    mut at: usize,
    prefix: &[String],
    is_use: bool,
    paths: &mut Vec<Path>,
) -> usize {
    let mut segments = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        if token == "{" {
            at += 1;
            while tokens.get(at).is_some_and(|token| token != "}") {
                let behind = read_tree(tokens, at, &segments, is_use, paths);
                // A token that is no part of a path is skipped, so that this ends.
                at = behind.max(at + usize::from(tokens[at] == "," || behind == at));
            }
            return at + 1;
        }
        if !is_word(token) {
            break;
        }
        segments.push(token.clone());
        at += 1;
        if tokens.get(at).is_none_or(|token| token != "::") {
            break;
        }
        at += 1;
    }
    let mut name = segments.last().cloned().filter(|_| is_use);
    if is_use && tokens.get(at).is_some_and(|token| token == "as") {
        name = tokens.get(at + 1).cloned();
        at += 2;
    }
    paths.push(Path { segments, name });
    at
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Leaves out each item behind `#[cfg(test)]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "#" && tokens.get(at + 1).is_some_and(|token| token == "[") {
            let end = end_of_group(tokens, at + 1);
            let attribute = &tokens[at..end];
            let has = |word: &str| attribute.iter().any(|token| token == word);
            at = if has("cfg") && has("test") && !has("not") { end_of_item(tokens, end) } else { end };
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The place behind the item that begins here: behind its `;`, or behind its braces.
fn end_of_item(tokens: &[String], mut at: usize) -> usize {
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" => return at + 1,
            "{" => return end_of_group(tokens, at),
            "(" | "[" => at = end_of_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// The place behind the bracket that closes the one here.
fn end_of_group(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            break;
        }
    }
    at
}

fn lex(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..end].to_owned());
            end
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let step = match rest {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of the raw string that begins here, if one does.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#').count();
    let start = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text[start..].find(&end).map_or(text.len(), |at| start + at + end.len()))
}

/// The length of what stands between two such quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal, or of the quote of a lifetime.
fn character(text: &str) -> usize {
    let mut after = text.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 1,
    }
}
