// SPDX-License-Identifier: Apache-2.0
//! What a value is to be, as goss says it.

use std::cmp::Ordering;

use regex_lite::Regex;
use serde_json::Value;

/// What there is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Actual {
    Value(Value),
    /// Of which lines and parts are looked for.
    Text(String),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    /// What is wrong.
    Fails(String),
    /// Why it cannot be told.
    Unknown(String),
}

impl Verdict {
    fn of(holds: bool, what: impl FnOnce() -> String) -> Self {
        match holds {
            true => Self::Holds,
            false => Self::Fails(what()),
        }
    }
}

/// Whether `actual` is as `wanted`.
pub(super) fn judge(actual: &Actual, wanted: &Value) -> Verdict {
    match (actual, wanted) {
        (_, Value::Object(matchers)) => all(matchers
            .iter()
            .map(|(name, argument)| by_name(actual, name, argument))),
        (Actual::Text(text), Value::Array(patterns)) => {
            all(patterns.iter().map(|pattern| match pattern {
                Value::Object(_) => judge(actual, pattern),
                pattern => contains(text, &plain(pattern)),
            }))
        }
        (Actual::Text(text), wanted) => {
            let wanted = plain(wanted);
            Verdict::of(text.trim_end() == wanted.trim_end(), || {
                format!("is {} instead of {wanted}", short(text))
            })
        }
        (Actual::Value(Value::Array(own)), Value::Array(wanted)) => {
            all(wanted.iter().map(|one| has_element(own, one)))
        }
        (Actual::Value(Value::Array(own)), wanted) => has_element(own, wanted),
        (Actual::Value(own), Value::Array(wanted)) => {
            all(wanted.iter().map(|one| equal(own, one)))
        }
        (Actual::Value(own), wanted) => equal(own, wanted),
    }
}

/// The first that fails, else the first that cannot be told.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut worst = Verdict::Holds;
    for verdict in verdicts {
        match verdict {
            Verdict::Fails(_) => return verdict,
            Verdict::Unknown(_) if worst == Verdict::Holds => worst = verdict,
            _ => {}
        }
    }
    worst
}

fn by_name(actual: &Actual, name: &str, argument: &Value) -> Verdict {
    let text = match actual {
        Actual::Text(text) => text.clone(),
        Actual::Value(value) => plain(value),
    };
    let word = plain(argument);
    let is = |holds: bool| {
        Verdict::of(holds, || {
            format!("is {}, which is not: {name} {argument}", short(&text))
        })
    };
    match name {
        "equal" => judge_equal(actual, argument),
        "not" => match judge(actual, argument) {
            Verdict::Holds => Verdict::Fails(format!(
                "is {}, which it is not to be: {argument}",
                short(&text)
            )),
            Verdict::Fails(_) => Verdict::Holds,
            unknown => unknown,
        },
        "and" => all(items(argument).map(|one| judge(actual, one))),
        "or" => any(items(argument).map(|one| judge(actual, one))),
        "have-prefix" => is(text.starts_with(&word)),
        "have-suffix" => is(text.trim_end().ends_with(&word)),
        "contain-substring" => is(text.contains(&word)),
        "match-regexp" => matches(&text, &word),
        "have-len" => is(length(actual) == argument.as_u64()),
        "gt" => compared(&text, argument, is, Ordering::is_gt),
        "ge" => compared(&text, argument, is, Ordering::is_ge),
        "lt" => compared(&text, argument, is, Ordering::is_lt),
        "le" => compared(&text, argument, is, Ordering::is_le),
        "contain-element" | "contain-elements" => {
            let own = elements(actual);
            all(items(argument).map(|one| has_element(&own, one)))
        }
        "consist-of" => {
            let own = elements(actual);
            let same = items(argument).count() == own.len();
            all(std::iter::once(is(same))
                .chain(items(argument).map(|one| has_element(&own, one))))
        }
        _ => Verdict::Unknown(format!("the matcher {name} is not known here")),
    }
}

fn judge_equal(actual: &Actual, wanted: &Value) -> Verdict {
    match actual {
        Actual::Value(own) => equal(own, wanted),
        Actual::Text(_) => judge(actual, &Value::String(plain(wanted))),
    }
}

fn any(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut last = Verdict::Fails("is nothing of what it may be".to_owned());
    for verdict in verdicts {
        match verdict {
            Verdict::Holds => return verdict,
            Verdict::Unknown(_) => last = verdict,
            Verdict::Fails(_) => {}
        }
    }
    last
}

/// The elements of a list; of anything else, itself.
fn items(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    match value {
        Value::Array(items) => items.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

fn elements(actual: &Actual) -> Vec<Value> {
    match actual {
        Actual::Value(value) => items(value).cloned().collect(),
        Actual::Text(text) => text.lines().map(Value::from).collect(),
    }
}

fn has_element(own: &[Value], wanted: &Value) -> Verdict {
    let found = own.iter().any(|one| {
        let one = Actual::Value(one.clone());
        judge(&one, wanted) == Verdict::Holds
    });
    Verdict::of(found, || {
        let own: Vec<String> = own.iter().map(plain).collect();
        format!("is {} without {wanted}", short(&own.join(", ")))
    })
}

fn equal(own: &Value, wanted: &Value) -> Verdict {
    Verdict::of(own == wanted || plain(own) == plain(wanted), || {
        format!("is {} instead of {}", short(&plain(own)), plain(wanted))
    })
}

fn length(actual: &Actual) -> Option<u64> {
    let length = match actual {
        Actual::Value(Value::Array(items)) => items.len(),
        Actual::Value(value) => plain(value).len(),
        Actual::Text(text) => text.len(),
    };
    u64::try_from(length).ok()
}

fn compared(
    text: &str,
    argument: &Value,
    is: impl Fn(bool) -> Verdict,
    wanted: fn(Ordering) -> bool,
) -> Verdict {
    let numbers = (text.trim().parse::<f64>().ok(), argument.as_f64());
    let (Some(own), Some(other)) = numbers else {
        return is(false);
    };
    is(own.partial_cmp(&other).is_some_and(wanted))
}

/// A word of a list that a text is to contain: `/regexp/`, or a part of a
/// line, with `!` for what is not to be there.
fn contains(text: &str, pattern: &str) -> Verdict {
    let (wanted, pattern) = match pattern.strip_prefix('!') {
        Some(rest) => (false, rest),
        None => (true, pattern.strip_prefix('\\').unwrap_or(pattern)),
    };
    let regexp = pattern
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
        .filter(|regexp| !regexp.is_empty());
    let found = match regexp {
        None => text.lines().any(|line| line.contains(pattern)),
        Some(regexp) => match Regex::new(regexp) {
            Ok(regexp) => text.lines().any(|line| regexp.is_match(line)),
            Err(error) => return Verdict::Unknown(format!("{error}")),
        },
    };
    Verdict::of(found == wanted, || match wanted {
        true => format!("has no line with {pattern}"),
        false => format!("has a line with {pattern}"),
    })
}

fn matches(text: &str, regexp: &str) -> Verdict {
    match Regex::new(regexp) {
        Ok(regexp) => Verdict::of(regexp.is_match(text), || {
            format!("is {}, which is not /{regexp}/", short(text))
        }),
        Err(error) => Verdict::Unknown(format!("{error}")),
    }
}

/// A value as it is written without quotes.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is in an image may be long.
fn short(text: &str) -> String {
    const MAX: usize = 80;
    let text = text.trim_end();
    match text.char_indices().nth(MAX) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or("")),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(actual: &Value, wanted: &Value) -> bool {
        judge(&Actual::Value(actual.clone()), wanted) == Verdict::Holds
    }

    #[test]
    fn values_and_matchers() {
        for (actual, wanted, expected) in [
            (json!("1.2"), json!("1.2"), true),
            (json!("1.2"), json!(1.2), true),
            (json!(true), json!(true), true),
            (json!(7), json!({"gt": 6, "le": 7}), true),
            (json!(7), json!({"lt": 7}), false),
            (json!("1.33.2-1.1"), json!({"have-prefix": "1.33."}), true),
            (json!("abc"), json!({"not": {"have-suffix": "b"}}), true),
            (json!("abc"), json!({"not": "abc"}), false),
            (json!("abc"), json!({"or": ["x", {"have-len": 3}]}), true),
            (json!("abc"), json!({"and": ["abc", "x"]}), false),
            (json!(["a", "b"]), json!(["b"]), true),
            (json!(["a", "b"]), json!(["c"]), false),
            (json!(["a"]), json!({"consist-of": ["a", "b"]}), false),
            (
                json!(["ab"]),
                json!({"contain-element": {"have-prefix": "a"}}),
                true,
            ),
            (json!("a1"), json!({"match-regexp": "^a[0-9]$"}), true),
        ] {
            assert_eq!(holds(&actual, &wanted), expected, "{actual} {wanted}");
        }
        let one = Actual::Value(json!("1"));
        let strange = json!({"semver-constraint": ">1"});
        assert!(matches!(judge(&one, &strange), Verdict::Unknown(_)));
    }

    #[test]
    fn texts_have_lines() {
        let text = Actual::Text("one = 1\n!two\n/three\n".to_owned());
        for (wanted, expected) in [
            (json!(["one"]), true),
            (json!(["/^one += [0-9]$/", "two"]), true),
            (json!(["!four", "!/^two/"]), true),
            (json!(["!one"]), false),
            (json!(["\\!two", "/three"]), true),
            (json!(["four"]), false),
            (json!({"contain-substring": "1\n!"}), true),
            (json!("one = 1\n!two\n/three"), true),
            (json!([{"match-regexp": "three"}]), true),
        ] {
            let holds = judge(&text, &wanted) == Verdict::Holds;
            assert_eq!(holds, expected, "{wanted}");
        }
        assert!(matches!(judge(&text, &json!(["/(/"])), Verdict::Unknown(_)));
    }
}
