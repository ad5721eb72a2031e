//! Chat templates: messages into the prompt that a model was trained on.
//!
//! The templates are Jinja, as `transformers` renders them: trimmed blocks, Python's methods on strings and lists, and the functions
//! `raise_exception` and `strftime_now`.

use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use serde_json::Map;

use crate::error::{Result, TextError};
use crate::role::{self, Role};

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it: `system`, `user` or `assistant`, or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Steps that a template may take: thousands of messages take fewer, a template that never ends is stopped.
const MOST_STEPS: u64 = 1_000_000;

/// Bytes of a template at most: the longest known ones have some 30,000.
const LONGEST: usize = 100_000;

/// Bytes of the stack that a template is read and rendered on. minijinja 3.1 recurses into chains of operators, of which [`LONGEST`] allows
/// 50,000 links, and into the lists of lists that [`MOST_STEPS`] allow a loop to build, some 100,000 deep. Only what is used takes memory.
const STACK: usize = 256 << 20;

/// Characters of a line of a template at most: minijinja 3.1 counts columns in 16 bits, and a syntax error in column 65,535 overflows them.
const LONGEST_LINE: usize = 60_000;

/// Levels of lists and maps that `tojson` writes.
const DEEPEST: usize = 100;

/// Renders a template.
pub(crate) fn render(
    template: &str,
    messages: &[Message],
    add_generation_prompt: bool,
    settings: &Map<String, serde_json::Value>,
) -> Result<String> {
    on_deep_stack(|| render_with(template, messages, add_generation_prompt, settings))
        .map_err(|source| TextError::ChatTemplate { source })
}

/// Does the work on a thread of its own with a stack of [`STACK`] bytes.
fn on_deep_stack<T: Send>(work: impl FnOnce() -> Result<T, Error> + Send) -> Result<T, Error> {
    let refuse = |what: String| Error::new(ErrorKind::InvalidOperation, what);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("chat template".into())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| refuse(format!("no thread to render the template on: {error}")))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(refuse("the template engine panicked".into())))
    })
}

fn render_with(
    template: &str,
    messages: &[Message],
    add_generation_prompt: bool,
    settings: &Map<String, serde_json::Value>,
) -> Result<String, Error> {
    if template.len() > LONGEST {
        let what = format!("the template has more than {LONGEST} bytes");
        return Err(Error::new(ErrorKind::SyntaxError, what));
    }
    if template
        .split('\n')
        .any(|line| line.chars().count() > LONGEST_LINE)
    {
        let what = format!("a line of the template has more than {LONGEST_LINE} characters");
        return Err(Error::new(ErrorKind::SyntaxError, what));
    }
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function(
        "raise_exception",
        |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        },
    );
    environment.add_function("strftime_now", |format: String| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        strftime(&format, now.map_or(0, |since| since.as_secs()))
    });
    environment.add_filter("tojson", to_json);
    let mut values: Vec<(String, Value)> = Vec::new();
    for role in Role::ALL {
        if let Some(token) = settings.get(role.key()).and_then(role::content) {
            values.push((role.key().to_owned(), token.into()));
        }
    }
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| context! { role => &message.role, content => &message.content })
        .collect();
    values.push(("messages".into(), messages.into()));
    values.push(("add_generation_prompt".into(), add_generation_prompt.into()));
    for absent in ["tools", "documents"] {
        values.push((absent.into(), Value::from(())));
    }
    environment
        .template_from_str(template)?
        .render(Value::from_pairs(values))
}

/// Python's `json.dumps(ensure_ascii=False)`: keys in their order, a space behind each comma and colon.
fn to_json(value: &Value, indent: Option<usize>) -> Result<Value, Error> {
    let mut text = String::new();
    write_json(value, indent, 0, &mut text)?;
    Ok(Value::from_safe_string(text))
}

fn write_json(
    value: &Value,
    indent: Option<usize>,
    depth: usize,
    out: &mut String,
) -> Result<(), Error> {
    let (open, close) = match value.kind() {
        ValueKind::Map => ('{', '}'),
        ValueKind::Seq | ValueKind::Iterable => ('[', ']'),
        _ => {
            out.push_str(&scalar_json(value)?);
            return Ok(());
        }
    };
    if depth == DEEPEST {
        let message = format!("tojson: more than {DEEPEST} levels");
        return Err(Error::new(ErrorKind::BadSerialization, message));
    }
    let new_line = |depth: usize, out: &mut String| {
        if let Some(indent) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(indent.min(16) * depth));
        }
    };
    out.push(open);
    let mut empty = true;
    for item in value.try_iter()? {
        if !empty {
            out.push_str(if indent.is_some() { "," } else { ", " });
        }
        empty = false;
        new_line(depth + 1, out);
        if open == '{' {
            out.push_str(&serde_json::Value::from(item.to_string()).to_string());
            out.push_str(": ");
            write_json(&value.get_item(&item)?, indent, depth + 1, out)?;
        } else {
            write_json(&item, indent, depth + 1, out)?;
        }
    }
    if !empty {
        new_line(depth, out);
    }
    out.push(close);
    Ok(())
}

/// Text, a number, a truth value or nothing.
fn scalar_json(value: &Value) -> Result<String, Error> {
    let refuse = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    serde_json::to_string(value).map_err(refuse)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// A moment of UTC in the form that `format` gives, with the letters of C's `strftime` that templates use; others stay as they are.
fn strftime(format: &str, seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let day_name = DAYS[(days % 7) as usize];
    let month_name = MONTHS[month as usize - 1];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&year.to_string()),
            Some('y') => out.push_str(&format!("{:02}", year % 100)),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            Some('B') => out.push_str(month_name),
            Some('b') => out.push_str(&month_name[..3]),
            Some('A') => out.push_str(day_name),
            Some('a') => out.push_str(&day_name[..3]),
            Some('H') => out.push_str(&format!("{:02}", second / 3600)),
            Some('M') => out.push_str(&format!("{:02}", second / 60 % 60)),
            Some('S') => out.push_str(&format!("{:02}", second % 60)),
            Some('%') | None => out.push('%'),
            Some(other) => out.extend(['%', other]),
        }
    }
    out
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, *chrono-compatible low-level date algorithms*).
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::value::Serde;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(strftime("%d %b %Y", 0), "01 Jan 1970");
        // 2024-02-29 12:34:56 UTC, a Thursday
        let leap = 1_709_210_096;
        assert_eq!(
            strftime("%A %Y-%m-%d %H:%M:%S %q%%", leap),
            "Thursday 2024-02-29 12:34:56 %q%"
        );
        assert_eq!(strftime("%d %B %y", 4_107_542_400), "01 March 00");
    }

    #[test]
    fn a_syntax_error_behind_the_last_column_is_no_panic() {
        let render = |columns: usize| {
            let template = format!("{{% {} !}}", "a".repeat(columns));
            render(&template, &[], true, &Map::new()).unwrap_err()
        };
        assert!(render(1 << 16).to_string().contains("more than 60000"));
        assert!(!render(50_000).to_string().contains("more than 60000"));
    }

    #[test]
    fn deep_lists_and_long_chains_fit_the_stack() {
        let render = |template: &str| render(template, &[], true, &Map::new());
        let deep = "{% set n = namespace(x=1) %}{% for i in range(99999) %}{% set n.x = [n.x] %}{% endfor %}";
        assert_eq!(render(deep).unwrap(), "");
        let printed = render(&format!("{deep}{{{{ n.x }}}}")).unwrap();
        assert_eq!(printed.len(), 2 * 99_999 + 1);
        let sum = format!("{{{{ 1{} }}}}", "+1".repeat(29_000));
        assert_eq!(render(&sum).unwrap(), "29001");
    }

    #[test]
    fn json_is_pythons() {
        let value = serde_json::json!({ "a": [1, "ü<"], "b": {} });
        let value = Value::from(Serde(value));
        assert_eq!(
            to_json(&value, None).unwrap().to_string(),
            r#"{"a": [1, "ü<"], "b": {}}"#
        );
        let indented = to_json(&value, Some(2)).unwrap().to_string();
        assert_eq!(
            indented,
            "{\n  \"a\": [\n    1,\n    \"ü<\"\n  ],\n  \"b\": {}\n}"
        );
    }
}
