//! Reads what documentation comments in the sources say: fields of a struct, variants of an error
//! with their messages. The sources are formatted, so a line is a field, a comment or an attribute.

use std::fs;

use crate::support::repository;

/// A field or a variant, and what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Its documentation, in one line.
    pub documentation: String,
    /// Its attributes, one after the other.
    pub attributes: String,
}

/// The fields or variants of a `struct` or `enum`, in order.
pub fn items(file: &str, kind: &str, name: &str) -> Vec<Item> {
    let text = fs::read_to_string(repository(file)).unwrap();
    items_of(&text, kind, name).unwrap_or_else(|| panic!("{file} has no {kind} {name}"))
}

fn items_of(text: &str, kind: &str, name: &str) -> Option<Vec<Item>> {
    let mut lines = text
        .lines()
        .skip_while(|line| !is_declaration(line, kind, name));
    lines.next()?;
    let mut items = Vec::new();
    let mut documentation = Vec::new();
    let mut attributes = String::new();
    let mut is_inside_attribute = false;
    for line in lines.take_while(|line| *line != "}") {
        // What is deeper belongs to the fields of a variant.
        let Some(line) = line.strip_prefix("    ") else {
            continue;
        };
        if is_inside_attribute {
            attributes.push_str(line.trim_start());
            attributes.push('\n');
            is_inside_attribute = !line.ends_with(")]");
        } else if let Some(words) = line.strip_prefix("/// ") {
            documentation.push(words.trim());
        } else if line.starts_with("#[") {
            attributes.push_str(line);
            attributes.push('\n');
            is_inside_attribute = !line.ends_with(']');
        } else if !line.starts_with([' ', '}', '/']) {
            let name: String = line
                .trim_start_matches("pub ")
                .chars()
                .take_while(|sign| sign.is_alphanumeric() || *sign == '_')
                .collect();
            let attributes = std::mem::take(&mut attributes);
            items.push(Item {
                name,
                documentation: plain(&std::mem::take(&mut documentation).join(" ")),
                attributes,
            });
        }
    }
    Some(items)
}

/// Whether a line begins the declaration of a `struct` or `enum` of this name.
fn is_declaration(line: &str, kind: &str, name: &str) -> bool {
    let bare = line
        .strip_prefix("pub ")
        .or_else(|| line.strip_prefix("pub(crate) "))
        .unwrap_or(line);
    bare.strip_prefix(kind)
        .and_then(|rest| rest.trim_start().strip_prefix(name))
        .is_some_and(|rest| rest == " {")
}

/// Without the brackets and targets of links inside the sources: [`Self::reference`] is
/// `reference`.
pub fn plain(words: &str) -> String {
    let mut parts = words.split("](crate::");
    let first = parts.next().unwrap_or_default().to_owned();
    let without_targets = parts.fold(first, |text, part| {
        text + part.split_once(')').map_or(part, |(_, rest)| rest)
    });
    without_targets
        .replace("[`Self::", "`")
        .replace("[`", "`")
        .replace("`]", "`")
}

/// The message of an `#[error("...")]`, or of the first text behind it, with what is filled in as
/// `<name>`; none for one that passes on another error's.
pub fn message(attribute: &str) -> Option<String> {
    let (text, rest) = literal(attribute.split_once("error(")?.1)?;
    let mut arguments = split_arguments(rest).into_iter();
    let mut message = String::new();
    let mut signs = text.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '{' if signs.peek() == Some(&'{') => message.extend(signs.next()),
            '}' => message.extend(signs.next_if_eq(&'}')),
            '{' => {
                let inside: String = signs.by_ref().take_while(|sign| *sign != '}').collect();
                let name = inside.split(':').next().unwrap_or_default();
                let name = if name.is_empty() {
                    arguments.next().unwrap_or_default()
                } else {
                    name.to_owned()
                };
                message.push_str(&filled_in(&name));
            }
            sign => message.push(sign),
        }
    }
    Some(message)
}

/// The string literal that a text begins with, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let inside = text.trim_start().strip_prefix('"')?;
    let mut value = String::new();
    let mut signs = inside.char_indices();
    while let Some((index, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &inside[index + 1..])),
            '\\' => match signs.next()?.1 {
                '\n' => {}
                'n' => value.push('\n'),
                other => value.push(other),
            },
            sign => value.push(sign),
        }
    }
    None
}

/// Arguments behind a format string, without those that have a name.
fn split_arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut depth = 0_i32;
    for sign in text.chars() {
        match sign {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        match sign {
            _ if depth < 0 => break,
            ',' if depth == 0 => arguments.push(String::new()),
            sign => arguments
                .last_mut()
                .into_iter()
                .for_each(|argument| argument.push(sign)),
        }
    }
    let arguments = arguments
        .into_iter()
        .map(|argument| argument.trim().to_owned());
    arguments
        .filter(|argument| !argument.is_empty() && !argument.contains(" = "))
        .collect()
}

/// What a text in the sources stands behind when it is the reason of an error.
const BEFORE_REASONS: [&str; 10] = [
    "Err(",
    "error(",
    "refuse(",
    "reason",
    "wrong(",
    "unusable(",
    "map_err(",
    "ok_or",
    "Error::",
    "problem(",
];

/// Reasons that a source file gives in words: texts of four words or more in the place of an error.
pub fn reasons(code: &str) -> Vec<String> {
    let before_tests = code.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = before_tests
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//") && !line.starts_with("#["))
        .collect();
    // Quotes in character literals do not begin a text.
    let code = lines
        .join("\n")
        .replace("'\"'", "' '")
        .replace("'\\\"'", "' '");
    let mut reasons: Vec<String> = Vec::new();
    let mut rest = code.as_str();
    let mut before = String::new();
    while let Some(start) = rest.find('"') {
        before.push_str(&rest[..start]);
        let Some((text, after)) = literal(&rest[start..]) else {
            break;
        };
        let context: String = before
            .chars()
            .rev()
            .take(60)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        // A statement that ended before is another's.
        let context = context.rsplit([';', '{']).next().unwrap_or_default();
        let is_reason = BEFORE_REASONS.iter().any(|marker| context.contains(marker))
            && !context.contains("reason = ");
        if is_reason && text.split_whitespace().count() > 3 && !text.contains('\n') {
            let shown = message(&format!("error({})", &rest[start..])).unwrap_or_default();
            if !reasons.contains(&shown) {
                reasons.push(shown);
            }
        }
        before.clear();
        rest = after;
    }
    reasons
}

/// Messages of the errors that a source file declares, except those of the `enum Error`, which a
/// table lists. Messages of fewer than four words are parts of others.
pub fn problems(code: &str) -> Vec<String> {
    let before_tests = code.split("\n#[cfg(test)]").next().unwrap_or_default();
    let mut problems: Vec<String> = Vec::new();
    let mut lines = before_tests.lines();
    let mut is_in_table = false;
    while let Some(line) = lines.next() {
        if line == "}" {
            is_in_table = false;
        }
        is_in_table |= is_declaration(line, "enum", "Error");
        if !line.trim_start().starts_with("#[error(") {
            continue;
        }
        let mut attribute = format!("{}\n", line.trim_start());
        let mut last = line;
        while !last.ends_with(")]") {
            last = lines.next().unwrap_or(")]");
            attribute.push_str(last.trim_start());
            attribute.push('\n');
        }
        if let Some(problem) = message(&attribute).filter(|_| !is_in_table)
            && problem.split_whitespace().count() > 3
            && !problems.contains(&problem)
        {
            problems.push(problem);
        }
    }
    problems
}

/// What stands in a message for a value.
fn filled_in(expression: &str) -> String {
    // A number with its noun: the plural stands for both.
    if let Some(arguments) = expression.strip_prefix("counted(") {
        let mut parts = arguments.split(',').map(str::trim);
        let number = parts.next().unwrap_or_default().trim_start_matches('*');
        let several = parts
            .next_back()
            .unwrap_or_default()
            .trim_matches(['"', ')']);
        return format!("{} {several}", filled_in(number));
    }
    let name: String = expression
        .trim_start_matches('.')
        .chars()
        .take_while(|sign| sign.is_alphanumeric() || *sign == '_')
        .collect();
    let is_a_path = expression.contains(".display()");
    match name.as_str() {
        "0" | "" if is_a_path => "<path>".to_owned(),
        // Some errors put together a place that is not always known.
        _ if expression.contains(".map(") => "<...>".to_owned(),
        name if name.starts_with(|first: char| first.is_ascii_digit()) => "<...>".to_owned(),
        "self" | "" => "<...>".to_owned(),
        name => format!("<{name}>"),
    }
}

#[test]
fn fields_variants_and_messages_are_read() {
    let text = "/// Options.\npub struct Options {\n    /// How many\n    /// people, see \
                [`Self::seed`].\n    #[serde(default)]\n    pub people: usize,\n    seed: \
                u64,\n}\n\npub enum Error {\n    /// Bad.\n    #[error(\n        \"{}: {n} of \
                {:.1} \\\n         {{x}}\",\n        path.display(),\n        100.0 * f(a, b)\n    \
                )]\n    Bad {\n        /// Inner.\n        n: usize,\n    },\n    /// Passed \
                on.\n    #[error(transparent)]\n    Other(#[from] X),\n}\n";
    let fields = items_of(text, "struct", "Options").unwrap();
    assert_eq!(
        fields
            .iter()
            .map(|field| field.name.as_str())
            .collect::<Vec<_>>(),
        ["people", "seed"]
    );
    assert_eq!(
        (
            fields[0].documentation.as_str(),
            fields[0].attributes.trim()
        ),
        ("How many people, see `seed`.", "#[serde(default)]")
    );
    let variants = items_of(text, "enum", "Error").unwrap();
    assert_eq!(
        variants
            .iter()
            .map(|variant| variant.name.as_str())
            .collect::<Vec<_>>(),
        ["Bad", "Other"]
    );
    assert_eq!(
        message(&variants[0].attributes).unwrap(),
        "<path>: <n> of <...> {x}"
    );
    assert_eq!(message(&variants[1].attributes), None);
    let with_noun = "error(\"split has {}\", counted(*n_cases, \"case\", \"cases\"))";
    assert_eq!(message(with_noun).unwrap(), "split has <n_cases> cases");
    let code = "fn f() -> Result<(), Error> {\n    // Err(\"not one of the reasons\")\n    let \
                shown = \"none of the reasons either\";\n    Err(Error::file(path, \
                format!(\"contig `{contig}` has {} nt\", \
                self.len_nt)))\n}\n#[cfg(test)]\nErr(\"nor is this a reason\")";
    assert_eq!(reasons(code), ["contig `<contig>` has <...> nt"]);
    let code = "pub enum Error {\n    #[error(\"{path} is listed in the table\")]\n    \
                Listed,\n}\n\npub enum BedProblem {\n    #[error(\n        \"{} more columns \
                than expected\",\n        found.len()\n    )]\n    Columns,\n}\n";
    assert_eq!(problems(code), ["<found> more columns than expected"]);
    assert_eq!(
        plain("see [`comparison_row`](crate::comparison_row) and [`Self::a`]"),
        "see `comparison_row` and `a`"
    );
}
